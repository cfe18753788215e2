"""Colours that the classes of a street share, so that colour does not tell them apart."""

from __future__ import annotations

from numpy.random import Generator

from lix.streets.arrays import Vector

GREENS: tuple[Vector, ...] = (
    (0.16, 0.24, 0.09),
    (0.21, 0.29, 0.12),
    (0.27, 0.33, 0.15),
    (0.13, 0.20, 0.10),
    (0.31, 0.33, 0.17),
)
GREYS: tuple[Vector, ...] = (
    (0.26, 0.26, 0.27),
    (0.34, 0.34, 0.34),
    (0.42, 0.41, 0.40),
    (0.50, 0.50, 0.50),
    (0.60, 0.60, 0.61),
)
EARTHS: tuple[Vector, ...] = (
    (0.35, 0.27, 0.20),
    (0.42, 0.34, 0.26),
    (0.28, 0.22, 0.17),
    (0.49, 0.42, 0.33),
    (0.40, 0.24, 0.19),
)
LIGHTS: tuple[Vector, ...] = (
    (0.72, 0.72, 0.72),
    (0.80, 0.79, 0.75),
    (0.66, 0.62, 0.55),
    (0.76, 0.70, 0.58),
)
VIVIDS: tuple[Vector, ...] = (
    (0.52, 0.13, 0.12),
    (0.14, 0.24, 0.46),
    (0.62, 0.48, 0.12),
    (0.18, 0.36, 0.42),
    (0.60, 0.30, 0.14),
    (0.12, 0.13, 0.16),
)
PAINTS = GREYS + LIGHTS + VIVIDS + EARTHS[:2] + GREENS[1:3]
WALLS = GREYS + LIGHTS + EARTHS + GREENS[2:3] + VIVIDS[:1] + VIVIDS[4:5]
POSTS = GREYS + EARTHS + GREENS[3:4]
RED, BLUE, YELLOW, GREEN = (
    (0.62, 0.09, 0.09),
    (0.08, 0.20, 0.52),
    (0.78, 0.60, 0.10),
    (0.08, 0.32, 0.20),
)
WHITE, BLACK = (0.85, 0.85, 0.83), (0.08, 0.08, 0.09)
BOARDS: tuple[tuple[Vector, Vector], ...] = (
    (WHITE, RED),
    (RED, WHITE),
    (BLUE, WHITE),
    (WHITE, BLACK),
    (YELLOW, BLACK),
    (GREEN, WHITE),
)


def pick(rng: Generator, colours: tuple[Vector, ...], spread: float = 0.12) -> Vector:
    """One of the colours, made lighter or darker by up to `spread` and tinted a little."""
    light = rng.uniform(1 - spread, 1 + spread)
    tint = 0.01 * rng.standard_normal(3)
    r, g, b = (
        min(max(light * c + float(t), 0.02), 0.95)
        for c, t in zip(colours[rng.integers(len(colours))], tint, strict=True)
    )
    return r, g, b


def pick_board(rng: Generator) -> tuple[Vector, Vector]:
    """Face and lettering of a sign, or of a shop's board."""
    return BOARDS[rng.integers(len(BOARDS))]
