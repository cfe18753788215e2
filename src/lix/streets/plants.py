"""Trees (trunk and crown) and low vegetation (bushes and hedges), all in the same greens."""

from __future__ import annotations

from numpy.random import Generator

from lix.streets.arrays import Vector
from lix.streets.labels import Label
from lix.streets.palette import EARTHS, GREENS, GREYS, pick
from lix.streets.shapes import BOX, CONE, ELLIPSOID, TAPER
from lix.streets.solids import Paint, Pattern, Thing


def leaves(rng: Generator, colour: Vector | None = None) -> Paint:
    """A leafy surface."""
    grain = rng.uniform(0.25, 0.5)
    return Paint(colour or pick(rng, GREENS), (0, 0, 0), Pattern.LEAVES, grain, contrast=0.45)


def tree(rng: Generator, thing: Thing) -> None:
    """A broadleaf tree, or at times a conifer, 5 to 11 m high."""
    height, trunk = rng.uniform(5.0, 11.0), rng.uniform(1.7, 2.8)
    radius = rng.uniform(0.11, 0.24)
    bark = Paint(pick(rng, EARTHS + GREYS[:3]), grain=0.2, contrast=0.25)
    thing.add(
        TAPER, Label.TREE, (0, trunk * 0.75, 0), (radius, trunk * 0.75, radius), bark, casts=False
    )
    paint = leaves(rng)
    half = (height - trunk) / 2
    if rng.random() < 0.25:
        wide = rng.uniform(1.2, 2.0)
        for level in (0.0, 0.7):
            size = (wide * (1 - level / 2), half * (1 - level / 2), wide * (1 - level / 2))
            at = (0.0, trunk * 0.7 + half * (1 + 0.6 * level), 0.0)
            thing.add(CONE, Label.TREE, at, size, paint, ragged=0.5, casts=level == 0)
        return
    wide = half * rng.uniform(0.6, 0.95)
    thing.add(ELLIPSOID, Label.TREE, (0, trunk + half, 0), (wide, half, wide), paint, ragged=0.6)
    for _ in range(3):
        right, forward = rng.uniform(-0.7, 0.7, 2) * wide
        up = trunk + half * rng.uniform(0.6, 1.4)
        lobe = wide * rng.uniform(0.5, 0.75)
        thing.add(
            ELLIPSOID, Label.TREE, (right, up, forward), (lobe, lobe * 0.85, lobe), paint,
            ragged=0.6, casts=False, detail=True,
        )  # fmt: skip


def bush(rng: Generator, thing: Thing) -> None:
    """A rounded bush, up to 1.6 m high."""
    paint = leaves(rng)
    for _ in range(rng.integers(1, 4)):
        wide, high = rng.uniform(0.5, 1.1), rng.uniform(0.4, 0.95)
        right, forward = rng.uniform(-0.7, 0.7, 2)
        thing.add(
            ELLIPSOID, Label.VEGETATION, (right, high * 0.65, forward), (wide, high, wide), paint,
            ragged=0.5, casts=high > 0.6,
        )  # fmt: skip


def hedge(rng: Generator, thing: Thing, length: float) -> None:
    """A trimmed hedge along the road, 0.8 to 1.5 m high."""
    half = (rng.uniform(0.35, 0.6), rng.uniform(0.4, 0.75), length / 2)
    thing.add(BOX, Label.VEGETATION, (0, half[1], 0), half, leaves(rng), ragged=0.3)


def wood(rng: Generator, thing: Thing) -> None:
    """A far strip of forest, some 60 m wide."""
    wide, high = rng.uniform(20, 45), rng.uniform(9, 20)
    thing.add(
        ELLIPSOID, Label.TREE, (0, 0, 0), (wide, high, rng.uniform(10, 20)),
        leaves(rng)._replace(grain=3.0), ragged=0.5, casts=False,
    )  # fmt: skip


def hill(rng: Generator, thing: Thing) -> None:
    """A far hill of bare terrain."""
    paint = Paint(pick(rng, GREENS + EARTHS[:2]), grain=12.0, contrast=0.25)
    half = (rng.uniform(60, 140), rng.uniform(10, 28), rng.uniform(40, 70))
    thing.add(ELLIPSOID, Label.TERRAIN, (0, 0, 0), half, paint, casts=False)
