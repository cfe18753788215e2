"""Point clouds in every format, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lix.tools.depth.lidar.points import read_points
from tests.tools.depth.conftest import one_sentence

POINTS = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
XYZ = POINTS[:, :3]


def pcd(form: str, body: bytes, fields: str = "x y z intensity", more: str = "") -> bytes:
    count = len(fields.split())
    ones, fours, kinds = (" ".join([text] * count) for text in ("1", "4", "F"))
    header = (
        f"# .PCD v0.7\nVERSION 0.7\nFIELDS {fields}\nSIZE {fours}\nTYPE {kinds}\nCOUNT {ones}\n"
        f"WIDTH {len(POINTS)}\nHEIGHT 1\n{more}POINTS {len(POINTS)}\nDATA {form}\n"
    )
    return header.encode() + body


def ply(form: str, body: bytes, kind: str = "float") -> bytes:
    names = "".join(f"property {kind} {name}\n" for name in ("x", "y", "z", "intensity"))
    header = f"ply\nformat {form} 1.0\ncomment none\nelement vertex {len(POINTS)}\n{names}"
    return (
        f"{header}element face 0\nproperty list uchar int vertex_indices\nend_header\n".encode()
        + body
    )


def text(table: np.ndarray) -> bytes:
    return "".join(" ".join(f"{v:.9g}" for v in row) + "\n" for row in table).encode()


five = np.concatenate([POINTS, np.ones((20, 1), np.float32)], axis=1)
padded = np.concatenate([np.ones((20, 1), np.float32), POINTS], axis=1)
FILES = {
    "a.bin": POINTS.tobytes(),
    "a.pcd.bin": five.tobytes(),
    "binary.pcd": pcd("binary", POINTS.tobytes()),
    "text.pcd": pcd("ascii", text(POINTS)),
    "padded.pcd": pcd("binary", padded.tobytes(), "_ x y z intensity"),
    "text.ply": ply("ascii", text(POINTS)),
    "little.ply": ply("binary_little_endian", POINTS.tobytes()),
    "big.PLY": ply("binary_big_endian", POINTS.astype(">f8").tobytes(), "double"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_points(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    points = read_points(tmp_path / name)
    assert points.dtype == np.float32
    assert np.allclose(points, XYZ, rtol=1e-6)


def test_arrays_and_points_that_are_not_finite(tmp_path: Path) -> None:
    table = POINTS.copy()
    table[3, 1], table[5, 2] = np.nan, np.inf
    np.save(tmp_path / "a.npy", table.astype(np.float64))
    assert np.allclose(read_points(tmp_path / "a.npy"), np.delete(XYZ, [3, 5], axis=0))


BAD = {
    "short.bin": (b"123456789", "9 bytes are not points of 4"),
    "cut.pcd": (FILES["binary.pcd"][:-1], "ends before its last point"),
    "packed.pcd": (pcd("binary_compressed", b""), "save it as binary"),
    "lacks.pcd": (pcd("binary", POINTS.tobytes(), "x y w intensity"), "not x, y and z"),
    "endless.pcd": (b"VERSION 0.7\n", "no end"),
    "headless.pcd": (b"DATA binary\n", "lacks FIELDS, SIZE, TYPE"),
    "no.ply": (b"ply\nend_header\n", "no format"),
    "faces.ply": (FILES["text.ply"].replace(b"vertex 20", b"edge 20"), "not vertex"),
    "words.ply": (ply("ascii", b"a b c d\n" * 20), "not a whole point cloud"),
    "a.las": (b"", "convert it to .bin"),
    "missing.bin": (None, "missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_sentence(name: str, tmp_path: Path) -> None:
    content, words = BAD[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words) as error:
        read_points(tmp_path / name)
    assert name in one_sentence(error)


def test_arrays_of_other_shapes_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"shape \(3, 2\)") as error:
        read_points(tmp_path / "a.npy")
    one_sentence(error)
