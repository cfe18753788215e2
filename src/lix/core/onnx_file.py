"""What is verified of an ONNX file before ONNX Runtime opens it; needs no `onnx`.

An ONNX file is a protocol buffer: fields of a number and a value, which may hold fields again.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHECKSUM = "lix_checksum"
"""Entry of the metadata, in JSON: CRC-32 of the file with zeros in place of these digits."""
UNSEALED = '"00000000"'
"""Value of the checksum entry until `seal` computes it."""

_ZEROS = b"0" * 8
_SEAL = re.compile(rb"\x0a\x0c" + CHECKSUM.encode() + rb'\x12\x0a"([0-9a-f]{8})"')

Holders = Mapping[int, "Holders | str"]
_GRAPH: dict[int, Holders | str] = {5: "tensor", 15: {1: "tensor", 2: "tensor"}}
_ATTRIBUTE: dict[int, Holders | str] = {5: "tensor", 6: _GRAPH, 10: "tensor", 11: _GRAPH}
_NODE: dict[int, Holders | str] = {5: _ATTRIBUTE}
_GRAPH[1] = _NODE
_MODEL: Holders = {7: _GRAPH, 25: {7: _NODE}}
"""Numbers of the fields of a model in which tensors are, at any depth."""

DIMS, DATA_TYPE, FLOAT_DATA, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 1, 2, 4, 9, 13, 14
"""Numbers of a tensor's fields."""
FLOATING = {1: "<f4", 10: "<f2", 11: "<f8"}
"""Types of values by their number."""


def seal(path: Path) -> None:
    """Write the checksum of a file into the metadata entry that waits for it.

    Raises:
        ValueError: the file has no such entry, or two.
    """
    content = path.read_bytes()
    seals = list(_SEAL.finditer(content))
    if len(seals) != 1:
        raise ValueError(f"{path} has {len(seals)} entries {CHECKSUM} to fill in.")
    digits = _checksum(content, seals[0])
    start, end = seals[0].span(1)
    path.write_bytes(content[:start] + digits + content[end:])


def verify(content: bytes) -> None:
    """Check the content of an ONNX file.

    Raises:
        ValueError: damaged, changed since lix wrote it, not in one file, or with weights that are
            NaN or infinite; half a sentence.
    """
    for seal_match in _SEAL.finditer(content):
        if seal_match[1] != _checksum(content, seal_match):
            raise ValueError(
                f"it does not fit its {CHECKSUM}; if a tool changed it on purpose, delete that "
                "entry of its metadata"
            )
    try:
        for tensor in _tensors(memoryview(content), _MODEL):
            _verify_tensor(tensor)
    except (IndexError, RecursionError) as error:
        raise ValueError("it ends too early or is not a protocol buffer") from error


def _checksum(content: bytes, seal_match: re.Match[bytes]) -> bytes:
    start, end = seal_match.span(1)
    view = memoryview(content)
    crc = zlib.crc32(view[end:], zlib.crc32(_ZEROS, zlib.crc32(view[:start])))
    return f"{crc:08x}".encode()


def _tensors(message: memoryview, holders: Holders) -> Iterator[memoryview]:
    for number, value in _fields(message):
        inside = holders.get(number)
        if inside is None or isinstance(value, int):
            continue
        if isinstance(inside, str):
            yield value
        else:
            yield from _tensors(value, inside)


def _verify_tensor(tensor: memoryview) -> None:
    kind, count, data = 0, 1, memoryview(b"")
    for number, value in _fields(tensor):
        if number == EXTERNAL_DATA or (number == DATA_LOCATION and value):
            raise ValueError("its weights are in another file; save them in it")
        if number == DATA_TYPE and isinstance(value, int):
            kind = value
        elif number == DIMS:
            count *= value if isinstance(value, int) else 2  # several, packed
        elif number in (RAW_DATA, FLOAT_DATA) and isinstance(value, memoryview):
            data = value
    if kind not in FLOATING or count < 2:
        return  # a single number may be a limit, such as -inf
    whole = len(data) - len(data) % np.dtype(FLOATING[kind]).itemsize
    values: NDArray[Any] = np.frombuffer(data[:whole], FLOATING[kind])
    finite = np.isfinite(values)
    is_mask = not np.isnan(values).any() and finite.any() and not values[finite].any()
    if not finite.all() and not is_mask:  # a mask of 0 and -inf is a constant, no weights
        raise ValueError("some of its weights are NaN or infinite")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield number, value
            continue
        length = {1: 8, 5: 4}.get(wire)
        if wire == 2:
            length, place = _varint(message, place)
        if length is None or place + length > len(message):
            raise IndexError(place)
        yield number, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place
        if shift > 63:
            raise IndexError(place)
