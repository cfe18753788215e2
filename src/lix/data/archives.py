"""Files inside `.tar` archives, by paths that go through them, as in `drive-00000.tar/a/7.rgb.jpg`.

An archive is opened for each file that is read, and its list of files is made once in a process: a
frame can be read at any place, so that shards need no code of their own where frames are chosen,
shared out over processes or read again after a resume.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from lix.core.errors import DataError

SUFFIX = ".tar"
BLOCK = 512
"""Bytes of a header; files begin at multiples of it."""
FILES, FOLDER = (b"0", b"\0"), b"5"
"""Types of plain files and of folders in headers."""


class Member(NamedTuple):
    """Where a file lies in its archive."""

    offset: int
    size: int


def split(path: Path) -> tuple[Path, str] | None:
    """The archive of a path and the name in it; None for a file of its own.

    >>> archive, name = split(Path("s/d-0.tar/a/7.jpg"))
    >>> archive.as_posix(), name
    ('s/d-0.tar', 'a/7.jpg')
    """
    if f"{SUFFIX}{os.sep}" not in str(path):
        return None
    for archive in reversed(path.parents):
        if archive.suffix == SUFFIX and not archive.is_dir():
            return archive, path.relative_to(archive).as_posix()
    return None


def members(archive: Path) -> Mapping[str, Member]:
    """The files of an archive by name, in their order.

    Raises:
        FileNotFoundError: there is none.
        DataError: it is damaged, or compressed.
    """
    stat = archive.stat()
    return _members(archive, stat.st_size, stat.st_mtime_ns)


@cache
def _members(archive: Path, size: int, changed: int) -> Mapping[str, Member]:  # noqa: ARG001
    try:
        with archive.open("rb") as opened:
            found = _plain_members(opened, size)
        if found is None:
            found = _any_members(archive)
    except (tarfile.TarError, EOFError) as error:
        raise DataError(
            f"{archive} cannot be read as a plain tar file ({error}); write it anew, without "
            "compression.",
            archive,
            kind="unreadable",
        ) from None
    # Joined to a path, other names would lead out of the archive.
    return {n: m for n, m in found.items() if not n.startswith("/") and ".." not in n.split("/")}


def _plain_members(opened: BinaryIO, size: int) -> dict[str, Member] | None:
    """Files by their headers, a tenth of tarfile's time; None where there are others than plain.

    A header (POSIX ustar) has the name in its bytes 0 to 100, its beginning from 345, the size in
    octal from 124, the type at 156 and a magic word from 257.
    """
    found: dict[str, Member] = {}
    while (place := opened.tell()) + BLOCK <= size:
        header = opened.read(BLOCK)
        if header[0] == 0:  # the end
            return found
        kind = header[156:157]
        if kind not in (*FILES, FOLDER) or header[257:262] != b"ustar":
            return None
        try:
            length = int(header[124:136].rstrip(b"\0 "), 8)
            words = (header[345:500], header[:100]) if header[262] == 0 else (b"", header[:100])
            parts = [word.split(b"\0", 1)[0].decode() for word in words]
        except ValueError:
            return None
        name = "/".join(filter(None, parts)).removeprefix("./")
        if kind != FOLDER:
            found[name] = Member(place + BLOCK, length)
        opened.seek(place + BLOCK + -(-length // BLOCK) * BLOCK)
    return None


def _any_members(archive: Path) -> dict[str, Member]:
    with tarfile.open(archive, "r:") as opened:
        return {
            PurePosixPath(info.name).as_posix(): Member(info.offset_data, info.size)
            for info in opened
            if info.isfile()
        }


def is_missing(path: Path) -> bool:
    """Whether an archive lacks a file; False for files of their own, which are not looked for."""
    try:
        find(path)
    except FileNotFoundError:
        return True
    return False


def find(path: Path) -> tuple[Path, Member] | None:
    """The archive of a path and where the file lies in it; None for a file of its own.

    Raises:
        FileNotFoundError: the archive lacks it.
    """
    parts = split(path)
    if parts is None:
        return None
    member = members(parts[0]).get(parts[1])
    if member is None:
        raise FileNotFoundError(f"{parts[0]} has no {parts[1]}")
    return parts[0], member


def open_file(path: Path) -> BinaryIO:
    """Open a file, in an archive or of its own, to read bytes.

    Raises:
        OSError: it is missing, or cannot be opened.
    """
    place = find(path)
    if place is None:
        return path.open("rb")
    archive, member = place
    with archive.open("rb") as opened:
        opened.seek(member.offset)
        return BytesIO(opened.read(member.size))


def read_bytes(path: Path) -> bytes:
    """The content of a file, in an archive or of its own."""
    with open_file(path) as opened:
        return opened.read()


def stamp(path: Path) -> tuple[int, int, int]:
    """Bytes of a file, and times (ns) of its last changes: those of its archive if it is in one.

    Raises:
        OSError: it is missing.
    """
    place = find(path)
    stat = (path if place is None else place[0]).stat()
    size = stat.st_size if place is None else place[1].size
    return size, stat.st_mtime_ns, stat.st_ctime_ns


def reading_order(paths: Sequence[Path]) -> list[list[int]]:
    """Indices of files by archive, each in the order in which they lie there.

    Files of their own are groups of one.
    """
    groups: dict[Path, list[tuple[int, int]]] = {}
    for index, path in enumerate(paths):
        place = find(path)
        archive, offset = (path, 0) if place is None else (place[0], place[1].offset)
        groups.setdefault(archive, []).append((offset, index))
    return [[index for _, index in sorted(group)] for group in groups.values()]
