"""Point clouds of a LiDAR: `.bin`, `.npy`, `.pcd` and `.ply`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import DataError
from lix.data.readers import read_array, reading

MAX_HEADER_LINES = 200
NUSCENES = ".pcd.bin"
"""End of the names of nuScenes' files, whose points have five numbers."""
PCD_KINDS = {"F": "f", "I": "i", "U": "u"}
PLY_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
SUFFIXES = (".bin", ".npy", ".pcd", ".ply")


def read_points(path: Path) -> NDArray[np.float32]:
    """Points of a file; those that are not finite are left out.

    Args:
        path: `.bin` holds float32 x, y, z, reflectance (nuScenes' `.pcd.bin` a fifth number),
            `.npy` an array (N, 3 or more); `.pcd` and `.ply` say themselves what they hold.

    Returns:
        (N, 3) metres.

    Raises:
        DataError: missing, damaged or of another kind.
    """
    readers = {".bin": _bin, ".npy": _npy, ".pcd": _pcd, ".ply": _ply}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise DataError(
            f"{path} is not a point cloud that lix reads; convert it to {', '.join(SUFFIXES)}.",
            path,
            kind="points",
        )
    with reading(path):
        try:
            points = read(path).astype(np.float32, copy=False)
        except (ValueError, IndexError, KeyError) as error:
            reason = " ".join(str(error).split())
            message = f"{path} is not a whole point cloud ({reason}); replace the file."
            raise DataError(message, path, kind="points") from None
    finite = np.isfinite(points).all(axis=1)
    return points if finite.all() else points[finite]


def _bin(path: Path) -> NDArray[np.float32]:
    numbers = 5 if path.name.lower().endswith(NUSCENES) else 4
    content = path.read_bytes()
    if len(content) % (4 * numbers):
        raise ValueError(f"its {len(content)} bytes are not points of {numbers} float32 numbers")
    return np.frombuffer(content, "<f4").reshape(-1, numbers)[:, :3]


def _npy(path: Path) -> NDArray[np.generic]:
    points = read_array(path)
    if points.dtype.names:
        return _columns(points)
    if points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind not in "fiu":
        raise ValueError(f"it holds {points.dtype} of shape {points.shape}, not points (N, 3 …)")
    return points[:, :3]


def _columns(table: NDArray[np.void]) -> NDArray[np.generic]:
    """The columns x, y and z of a table."""
    if not {"x", "y", "z"} <= set(table.dtype.names or ()):
        raise ValueError(f"its points have {', '.join(table.dtype.names or ())}, not x, y and z")
    return np.stack([table[axis].astype(np.float32) for axis in "xyz"], axis=1)


def _table(
    file: BinaryIO, dtype: np.dtype[np.void], count: int, is_text: bool
) -> NDArray[np.generic]:
    """The points behind a header."""
    if is_text:
        names = dtype.names or ()
        sizes = [dtype[name].shape[0] if dtype[name].shape else 1 for name in names]
        first = dict(zip(names, np.cumsum([0, *sizes[:-1]]), strict=True))
        _columns(np.zeros(0, dtype))
        places = [int(first[axis]) for axis in "xyz"]
        lines = (file.readline() for _ in range(count))
        return np.loadtxt(lines, np.float32, usecols=places, ndmin=2, encoding="ascii")
    content = file.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise ValueError("it ends before its last point")
    return _columns(np.frombuffer(content, dtype, count))


def _header(file: BinaryIO, last: tuple[str, ...]) -> list[list[str]]:
    """Words of the lines up to the one that begins with one of `last`."""
    lines = []
    for _ in range(MAX_HEADER_LINES):
        words = file.readline(1000).decode("ascii", "replace").split()
        lines.append(words)
        if words and words[0] in last:
            return lines
    raise ValueError("its header has no end")


def _pcd(path: Path) -> NDArray[np.generic]:
    with path.open("rb") as file:
        header = {words[0]: words[1:] for words in _header(file, ("DATA",)) if words}
        names, sizes, kinds = (header[key] for key in _required(header, "FIELDS", "SIZE", "TYPE"))
        counts = header.get("COUNT", ["1"] * len(names))
        parts = [
            # Fields that pad a point share the name `_`.
            (f"_{i}" if name == "_" else name, f"<{PCD_KINDS[kind]}{size}", (int(count),))
            if int(count) > 1 or name == "_"
            else (name, f"<{PCD_KINDS[kind]}{size}")
            for i, (name, size, kind, count) in enumerate(
                zip(names, sizes, kinds, counts, strict=True)
            )
        ]
        form = header["DATA"][0]
        if form not in ("ascii", "binary"):
            raise ValueError(f"its data are {form}; save it as binary or ascii")
        (count,) = header[_required(header, "POINTS")[0]]
        return _table(file, np.dtype(parts), int(count), form == "ascii")


def _required(header: dict[str, list[str]], *names: str) -> tuple[str, ...]:
    missing = [name for name in names if name not in header]
    if missing:
        raise ValueError(f"its header lacks {', '.join(missing)}")
    return names


def _ply(path: Path) -> NDArray[np.generic]:
    with path.open("rb") as file:
        header = _header(file, ("end_header",))
        form = next((words[1] for words in header if words[:1] == ["format"]), "")
        elements = [place for place, words in enumerate(header) if words[:1] == ["element"]]
        if form not in ("ascii", "binary_little_endian", "binary_big_endian") or not elements:
            raise ValueError("its header has no format or no element")
        begin, end = elements[0], (*elements[1:], len(header))[0]
        if header[begin][1] != "vertex":
            raise ValueError(f"its first element is {header[begin][1]}, not vertex")
        order = ">" if form == "binary_big_endian" else "<"
        properties = [words for words in header[begin + 1 : end] if words[:1] == ["property"]]
        if any(words[1] not in PLY_TYPES for words in properties):
            raise ValueError("its vertices have lists or types that PLY does not know")
        dtype = np.dtype([(words[2], order + PLY_TYPES[words[1]]) for words in properties])
        return _table(file, dtype, int(header[begin][2]), form == "ascii")
