"""Files inside archives are read like files of their own."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lix.data import archives
from lix.data.archives import is_missing, members, open_file, read_bytes, reading_order, stamp
from lix.data.patterns import find_files
from lix.data.readers import image_size, read_array, require_files
from tests.data.sets.contract import one_sentence

CONTENT = {"a/1.txt": b"one", "2.txt": b"", "a/3.txt": b"x" * 1300}


def pack(path: Path, content: dict[str, bytes], kind: int = tarfile.GNU_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind) as archive:
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, values in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(values)
            archive.addfile(entry, io.BytesIO(values))
    return path


LONG = "/".join(["folder" * 5] * 5) + "/7.txt"


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("more", [{}, {LONG: b"long"}, {"ü.txt": b"name"}])
def test_every_kind_of_tar_has_its_files(kind: int, more: dict[str, bytes], tmp_path: Path) -> None:
    content = CONTENT | more
    archive = pack(tmp_path / "d.tar", content, kind)
    assert list(members(archive)) == list(content)
    for name, values in content.items():
        assert read_bytes(archive / name) == values
        assert stamp(archive / name)[0] == len(values)


def test_plain_headers_need_no_tarfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "d.tar", CONTENT)
    monkeypatch.setattr(archives, "_any_members", None)
    assert list(members(archive)) == list(CONTENT)


def test_an_archive_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    archive = pack(tmp_path / "d.tar", CONTENT)
    assert not is_missing(archive / "2.txt")
    pack(archive, {"b.txt": b"other" * 3000})
    assert is_missing(archive / "2.txt")
    assert read_bytes(archive / "b.txt") == b"other" * 3000


@pytest.mark.parametrize("name", ["/etc/1.txt", "../1.txt", "a/../../1.txt"])
def test_names_that_lead_out_of_the_archive_are_left_out(name: str, tmp_path: Path) -> None:
    archive = pack(tmp_path / "d.tar", {name: b"bad", "a/1.txt": b"good"})
    assert find_files(tmp_path, "*.tar/**/*.txt") == [archive / "a/1.txt"]


def test_patterns_look_into_archives_where_they_say_so(tmp_path: Path) -> None:
    pack(tmp_path / "s/d-0.tar", CONTENT | {"a/._1.txt": b""})
    pack(tmp_path / "s/d-1.tar", {"a/4.txt": b""})

    def found(pattern: str) -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path, pattern)]

    whole = ["s/d-0.tar/2.txt", "s/d-0.tar/a/1.txt", "s/d-0.tar/a/3.txt", "s/d-1.tar/a/4.txt"]
    assert found("s/*.tar/**/*.txt") == whole
    assert found("s/d-1.tar/a/*.txt") == whole[3:]
    assert found("*/*.tar/a/[13].txt") == whole[1:3]
    assert found("**/*.txt") == [], "an archive next to its files is no second copy of them"
    assert found("s/*.tar") == ["s/d-0.tar", "s/d-1.tar"]


def test_images_arrays_and_faults(tmp_path: Path) -> None:
    def saved(save: Callable[[io.BytesIO], object]) -> bytes:
        stream = io.BytesIO()
        save(stream)
        return stream.getvalue()

    values = np.arange(24, dtype=np.uint16).reshape(4, 6) * 900
    content = {
        "a/1.png": saved(lambda stream: Image.fromarray(values).save(stream, "PNG")),
        "a/1.npy": saved(lambda stream: np.save(stream, values)),
        "a/1.pgm": saved(lambda stream: Image.fromarray(values).save(stream, "PPM")),
        "a/2.png": b"no image",
    }
    archive = pack(tmp_path / "d.tar", content)
    for name in ("a/1.png", "a/1.npy", "a/1.pgm"):
        assert np.array_equal(read_array(archive / name), values)
    assert image_size(archive / "a/1.png") == (4, 6)
    with one_sentence(r"d\.tar/a/2\.png cannot be read"):
        read_array(archive / "a/2.png")
    with one_sentence(r"d\.tar/a/5\.png is missing; check"):
        read_array(archive / "a/5.png")
    with one_sentence(r"1 of 2 image files are missing, first .*d\.tar/a/5\.png; fix"):
        require_files([archive / "a/1.png", archive / "a/5.png"], "image", "fix it")
    archive.write_bytes(b"\x1f\x8b no tar" * 100)
    with one_sentence("cannot be read as a plain tar file"):
        find_files(tmp_path, "*.tar/**/*.png")


def test_a_folder_may_be_called_like_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "old.tar" / "1.txt"
    path.parent.mkdir()
    path.write_bytes(b"file")
    assert find_files(tmp_path, "*.tar/*.txt") == [path]
    with open_file(path) as opened:
        assert opened.read() == b"file"
    assert not is_missing(path)


def test_the_order_of_reading_is_that_of_the_archives(tmp_path: Path) -> None:
    one = pack(tmp_path / "1.tar", CONTENT)
    two = pack(tmp_path / "2.tar", CONTENT)
    own = [tmp_path / "a.txt", tmp_path / "b.txt"]
    paths = [two / "a/3.txt", one / "a/3.txt", own[0], one / "2.txt", one / "a/1.txt", own[1]]
    assert reading_order(paths) == [[0], [4, 3, 1], [2], [5]]
