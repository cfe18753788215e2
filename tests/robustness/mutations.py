"""Random damages of a file: flipped bits, cuts, and bytes that are inserted or overwritten."""

from __future__ import annotations

import random
from collections.abc import Iterator

HEADER = 400
"""Number of bytes at the beginning of a file, in which every second damage is."""


def mutations(content: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Damaged copies of a file's content, each another one than the content."""
    draw = random.Random(seed)
    kinds = (_flip, _cut, _insert, _overwrite, _drop)
    made = 0
    while made < count:
        reach = len(content) if made % 2 else min(len(content), HEADER)
        damaged = kinds[made % len(kinds)](bytearray(content), draw.randrange(reach), draw)
        if damaged != content:
            made += 1
            yield bytes(damaged)


def _flip(content: bytearray, place: int, draw: random.Random) -> bytearray:
    for other in (place, *(draw.randrange(len(content)) for _ in range(draw.choice((0, 0, 20))))):
        content[other] ^= 1 << draw.randrange(8)
    return content


def _cut(content: bytearray, place: int, draw: random.Random) -> bytearray:
    return content[:place]


def _insert(content: bytearray, place: int, draw: random.Random) -> bytearray:
    content[place:place] = draw.randbytes(draw.randint(1, 40))
    return content


def _overwrite(content: bytearray, place: int, draw: random.Random) -> bytearray:
    length = min(draw.randint(1, 40), len(content) - place)
    content[place : place + length] = draw.choice((bytes(length), draw.randbytes(length)))
    return content


def _drop(content: bytearray, place: int, draw: random.Random) -> bytearray:
    del content[place : place + draw.randint(1, 40)]
    return content
