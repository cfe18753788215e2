"""The classes of NYUv2, of which SUN RGB-D has the first 37."""

from __future__ import annotations

from collections.abc import Sequence

Colour = tuple[int, int, int]
NAMES = """
wall, floor, cabinet, bed, chair, sofa, table, door, window, bookshelf, picture, counter, blinds,
desk, shelves, curtain, dresser, pillow, mirror, floor mat, clothes, ceiling, books, refridgerator,
television, paper, towel, shower curtain, box, whiteboard, person, night stand, toilet, sink, lamp,
bathtub, bag, otherstructure, otherfurniture, otherprop
"""
"""As the set spells them (Gupta et al., 2013)."""
NAMES_13 = """
bed, books, ceiling, chair, floor, furniture, objects, picture, sofa, table, tv, wall, window
"""
"""Of Couprie et al. (2013)."""


def colour(label: int) -> Colour:
    """The usual colour of a label: its bits, lowest first, are the highest of red, green, blue...

    >>> colour(1), colour(2), colour(3), colour(8)
    ((128, 0, 0), (0, 128, 0), (128, 128, 0), (64, 0, 0))
    """
    red, green, blue = (
        sum((label >> (3 * place + channel) & 1) << (7 - place) for place in range(8))
        for channel in range(3)
    )
    return red, green, blue


def _coloured(names: str) -> dict[str, Colour]:
    return {name.strip(): colour(label) for label, name in enumerate(names.split(","), 1)}


NYU40 = _coloured(NAMES)
"""Name → colour in the order of the labels, which begin at 1."""
NYU13 = _coloured(NAMES_13)
NYU40_TO_13: Sequence[int] = tuple(
    list(NYU13).index(name)
    for name in (
        *("wall", "floor", "furniture", "bed", "chair", "sofa", "table", "wall", "window"),
        *("furniture", "picture", "furniture", "window", "table", "furniture", "window"),
        *("furniture", "objects", "objects", "floor", "objects", "ceiling", "books", "furniture"),
        *("tv", *("objects",) * 6, "furniture", *("objects",) * 6, "furniture", "objects"),
    )
)
"""Train id among the 13 by train id among the 40."""
