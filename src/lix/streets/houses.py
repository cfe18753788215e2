"""Buildings: town houses, halls, walls and bridges."""

from __future__ import annotations

from numpy.random import Generator

from lix.streets.labels import Label
from lix.streets.palette import EARTHS, GREENS, GREYS, WALLS, pick, pick_board
from lix.streets.plants import leaves
from lix.streets.shapes import BOX, GABLE
from lix.streets.solids import Paint, Pattern, Thing


def _wall(rng: Generator) -> Paint:
    """A facade: with windows, or plain, or panelled, or grown with ivy."""
    kind = rng.choice(4, p=[0.62, 0.12, 0.12, 0.14])
    if kind == 3:
        return leaves(rng)
    pattern = (Pattern.FACADE, Pattern.PLAIN, Pattern.PANEL)[kind]
    return Paint(pick(rng, WALLS), pick_board(rng)[0], pattern, rng.uniform(0.4, 2.5), 0.12)


def house(rng: Generator, thing: Thing, length: float, height: float, depth: float) -> None:
    """A house along the road, with a flat or a gabled roof."""
    half = (depth / 2, height / 2, length / 2)
    thing.add(BOX, Label.BUILDING, (0, half[1], 0), half, _wall(rng))
    if rng.random() < 0.5:
        roof = Paint(pick(rng, EARTHS + GREYS[:2]), grain=0.6, contrast=0.2)
        rise = rng.uniform(0.8, 2.2)
        eaves = (depth / 2 + 0.3, rise, length / 2)
        thing.add(GABLE, Label.BUILDING, (0, height + rise, 0), eaves, roof, casts=False)


def hall(rng: Generator, thing: Thing, length: float, height: float, depth: float) -> None:
    """A warehouse or a farm: long, low, hardly any window."""
    colour = pick(rng, WALLS + GREENS[3:])
    pattern = Pattern.PANEL if rng.random() < 0.6 else Pattern.FACADE
    paint = Paint(colour, pick_board(rng)[0], pattern, 2.0, 0.1)
    half = (depth / 2, height / 2, length / 2)
    thing.add(BOX, Label.BUILDING, (0, half[1], 0), half, paint)
    if rng.random() < 0.5:
        roof = Paint(pick(rng, EARTHS + GREYS), grain=0.8, contrast=0.15)
        at, rise = (0.0, height + 1.2, 0.0), 1.2
        thing.add(GABLE, Label.BUILDING, at, (half[0], rise, half[2]), roof, casts=False)


def garden_wall(rng: Generator, thing: Thing, length: float) -> None:
    """A low wall along the road."""
    half = (0.15, rng.uniform(0.4, 0.9), length / 2)
    paint = Paint(pick(rng, GREYS + EARTHS), grain=0.3, contrast=0.2)
    thing.add(BOX, Label.BUILDING, (0, half[1], 0), half, paint)


def bridge(rng: Generator, thing: Thing, span: float) -> None:
    """A bridge over the road, resting on two walls."""
    paint = Paint(pick(rng, GREYS), grain=1.5, contrast=0.2)
    thing.add(BOX, Label.BUILDING, (0, 6.4, 0), (span + 14, 0.9, rng.uniform(2.5, 5)), paint)
    for side in (-span, span):
        thing.add(BOX, Label.BUILDING, (side, 2.8, 0), (0.8, 2.8, 2.2), paint)
