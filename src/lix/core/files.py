"""Atomic writes of files, and locks of folders that only one process may write."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

MAX_STEM = 50
LOCK = ".lock"
"""Name of the file whose lock a process holds while it writes the folder."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Lend a temporary path next to `path`, which takes its place if the block ends well.

    Makes the folder. A file that exists at `path` stays as it was until then, and if the block
    fails. A link stays one: its target is replaced. A device or a pipe is written to.

    Raises:
        OSError: the folder or the file cannot be written; the message names it.
    """
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    if path.exists() and not (path.is_file() or path.is_dir()):
        with _named(path):
            yield path
        return
    part = path.with_name(f".{_short(path.stem)}.{os.getpid()}{path.suffix}")
    try:
        with _named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def remove_parts(*folders: Path) -> None:
    """Remove the temporary files that processes killed in `atomic_write` have left in folders."""
    for path in (path for folder in folders for path in folder.glob(".*")):
        if re.fullmatch(r"\..+\.\d+(\.\w+)?", path.name):
            path.unlink(missing_ok=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let errors of the system name the file that was to be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OSError(
            f"{path} cannot be written ({reason}); choose another output or make room there."
        ) from None


def _short(stem: str) -> str:
    """A stem that leaves room for more in a file's name."""
    return stem if len(stem) <= MAX_STEM else f"{stem[:30]}-{zlib.crc32(os.fsencode(stem)):08x}"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keep other processes with the same lock out of a folder until the block or process ends.

    Raises:
        ValueError: another process is in it.
        OSError: the folder cannot be made.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"Another process trains in {folder}; wait for it, or choose another --output."
        ) from None
    except OSError as error:
        raise OSError(
            f"{folder} cannot be written ({error.strerror}); choose another output."
        ) from None
    try:
        yield
    finally:
        lock.release()


def is_locked(folder: Path) -> bool:
    """Whether a process is in the block of `folder_lock` with this folder."""
    if not (folder / LOCK).is_file():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def fsync(path: Path) -> None:
    """Force a file or a folder's entries to disk, so that a power loss does not undo them."""
    with suppress(OSError):  # some file systems and Windows cannot sync a folder
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises:
        OSError: as `atomic_write`.
    """
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
        if part.is_file():
            fsync(part)
