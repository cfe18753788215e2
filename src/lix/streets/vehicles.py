"""Cars, vans and trucks: they share their colours and differ in size and build."""

from __future__ import annotations

from numpy.random import Generator

from lix.streets.arrays import Vector
from lix.streets.labels import Label
from lix.streets.palette import PAINTS, pick
from lix.streets.shapes import BOX, CABIN, CYLINDER, SNUB, Axis
from lix.streets.solids import Paint, Pattern, Thing

TYRE = Paint((0.05, 0.05, 0.055), contrast=0.3, grain=0.1)
GLASS: Vector = (0.12, 0.15, 0.18)


def _coat(colour: Vector, pattern: Pattern, accent: Vector = GLASS) -> Paint:
    return Paint(colour, accent, pattern, grain=1.5, contrast=0.06)


def _wheels(
    thing: Thing, label: Label, radius: float, half_track: float, axles: list[float]
) -> None:
    for forward in axles:
        for side in (-half_track, half_track):
            thing.add(
                CYLINDER,
                label,
                (side, radius, forward),
                (0.13, radius, radius),
                TYRE,
                axis=Axis.RIGHT,
                casts=False,
                detail=True,
            )


def car(rng: Generator, thing: Thing) -> None:
    """A car of 3.8 to 4.7 m, 1.4 to 1.7 m high."""
    length, width, tall = rng.uniform(3.8, 4.7), rng.uniform(1.7, 1.9), rng.uniform(0.0, 0.25)
    colour = pick(rng, PAINTS)
    belt = 0.85 + tall / 2
    body = (width / 2, (belt - 0.25) / 2, length / 2)
    thing.add(BOX, Label.CAR, (0, 0.25 + body[1], 0), body, _coat(colour, Pattern.BODY))
    shift = -length * rng.uniform(0.05, 0.14)
    cabin = (width * 0.46, 0.27 + tall / 4, length * rng.uniform(0.27, 0.34))
    thing.add(CABIN, Label.CAR, (0, belt + cabin[1], shift), cabin, _coat(colour, Pattern.GLASS))
    _wheels(thing, Label.CAR, 0.32, width / 2 - 0.1, [-length * 0.31, length * 0.31])


def van(rng: Generator, thing: Thing) -> None:
    """A delivery van of 4.7 to 5.8 m, 2.1 to 2.7 m high."""
    length, width, height = rng.uniform(4.7, 5.8), rng.uniform(1.9, 2.1), rng.uniform(2.1, 2.7)
    half = (width / 2, (height - 0.3) / 2, length / 2)
    paint = _coat(pick(rng, PAINTS), Pattern.VAN)
    thing.add(SNUB, Label.VAN, (0, 0.3 + half[1], 0), half, paint)
    _wheels(thing, Label.VAN, 0.36, width / 2 - 0.12, [-length * 0.32, length * 0.33])


def truck(rng: Generator, thing: Thing) -> None:
    """A lorry of 7 to 11 m with a box, a tank or an open bed, up to 4 m high."""
    length, height = rng.uniform(7.0, 11.0), rng.uniform(3.2, 4.0)
    colour, load = pick(rng, PAINTS), pick(rng, PAINTS)
    cab_at, bed = length / 2 - 1.0, (length - 2.3) / 2
    thing.add(SNUB, Label.TRUCK, (0, 1.65, cab_at), (1.2, 1.2, 1.0), _coat(colour, Pattern.VAN))
    thing.add(BOX, Label.TRUCK, (0, 0.85, -1.1), (1.1, 0.22, bed), _coat(GLASS, Pattern.BODY))
    kind = rng.choice(3, p=[0.65, 0.15, 0.2])
    at = -length / 2 + bed
    if kind == 0:
        up = (height - 1.05) / 2
        panel = Paint(load, (0.5, 0.5, 0.5), Pattern.PANEL, grain=2.0, contrast=0.08)
        thing.add(BOX, Label.TRUCK, (0, 1.05 + up, at), (1.25, up, bed), panel)
    elif kind == 1:
        tank = Paint(load, grain=2.0, contrast=0.08)
        thing.add(CYLINDER, Label.TRUCK, (0, 2.15, at), (1.15, 1.15, bed), tank, axis=Axis.FORWARD)
    else:
        thing.add(BOX, Label.TRUCK, (0, 1.5, at), (1.22, 0.45, bed), _coat(load, Pattern.BODY))
    _wheels(thing, Label.TRUCK, 0.5, 1.0, [-length * 0.36, -length * 0.24, length * 0.36])
