"""Files that would fill the memory or end the process are refused before they are read."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lix.data.readers import DataError, read_array
from lix.data.yaml_files import load_yaml

BOMB = "a: &a [1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 8)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "aliases expand"),
        ("a: &a [*a]", "contains itself"),
        ("[" * 5000, "nested too deeply"),
        ("!!timestamp x", "cannot be read as timestamp"),
        ("a: !!bool maybe", "line 1, column 4: 'maybe' cannot be read as bool"),
        ("!!int ''", "cannot be read as int"),
        ("!!float ''", "cannot be read as float"),
        ("x: 2024-02-30", "cannot be read as timestamp"),
        ("9" * 5000, "cannot be read as int"),
        ("!!python/name:os.system", "could not determine a constructor"),
        ("a: 1\nb: 2\na: 3", "line 3: 'a' is already written in line 1"),
        ("#" + " " * (1 << 20), "too much for a file of settings"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bad_yaml_file_is_one_sentence(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason) as error:
        load_yaml(path)
    assert str(path) in str(error.value)


def npy(shape: tuple[int, ...], data: bytes = b"", descr: str = "<f4") -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", content)
    return buffer.getvalue()


def huge_png() -> bytes:
    """A PNG of a few bytes whose header says 60,000 x 60,000."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    content[16:24] = 2 * (60_000).to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("huge.png", huge_png()),
        ("huge.npy", npy((10**6, 10**6))),
        ("short.npy", npy((24, 40), b"1234")),
        ("negative.npy", npy((-1, 40), bytes(160))),
        ("no header.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((("),
        ("bomb.npz", zipped(npy((30000, 50000)))),
        ("damaged.npz", zipped(npy((24, 40)))[:90]),
    ],
    ids=[
        "pixels",
        "huge",
        "short",
        "negative",
        "no header",
        "bomb",
        "damaged",
    ],  # zips hold the time
)
def test_an_array_that_cannot_be_is_refused_before_it_is_read(
    name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_array(tmp_path / name)


def test_an_array_is_read(tmp_path: Path) -> None:
    stored = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "a.npy", stored)
    np.savez_compressed(tmp_path / "a.npz", a=stored)
    for name in ("a.npy", "a.npz"):
        np.testing.assert_array_equal(read_array(tmp_path / name), stored)
