"""Street furniture: poles, signs, lights, guard rails, clutter, and people."""

from __future__ import annotations

from numpy.random import Generator

from lix.streets.labels import Label
from lix.streets.palette import GREYS, PAINTS, POSTS, pick, pick_board
from lix.streets.shapes import BOX, CYLINDER, ELLIPSOID, GABLE, Axis
from lix.streets.solids import Paint, Pattern, Thing

LAMPS = Paint((0.07, 0.08, 0.07), pattern=Pattern.LAMPS, contrast=0.05)


def _post(rng: Generator, thing: Thing, radius: float, height: float) -> Paint:
    paint = Paint(pick(rng, POSTS), grain=0.4, contrast=0.15)
    half = (radius, height / 2, radius)
    thing.add(CYLINDER, Label.POLE, (0, height / 2, 0), half, paint, casts=False)
    return paint


def lamp_post(rng: Generator, thing: Thing, reach: float) -> None:
    """A street lamp whose arm reaches `reach` metres to its right."""
    height = rng.uniform(5.5, 8.5)
    paint = _post(rng, thing, rng.uniform(0.10, 0.16), height)
    arm = (abs(reach) / 2, 0.07, 0.07)
    thing.add(
        CYLINDER, Label.POLE, (reach / 2, height, 0), arm, paint, axis=Axis.RIGHT, casts=False
    )
    lamp = Paint(pick(rng, GREYS), contrast=0.05)
    thing.add(BOX, Label.POLE, (reach, height, 0), (0.4, 0.1, 0.18), lamp, casts=False)


def mast(rng: Generator, thing: Thing) -> None:
    """A wooden or concrete mast, as thick as a tree's trunk."""
    height = rng.uniform(6.0, 9.0)
    paint = _post(rng, thing, rng.uniform(0.13, 0.22), height)
    beam = (rng.uniform(0.6, 1.1), 0.08, 0.08)
    thing.add(BOX, Label.POLE, (0, height - 0.6, 0), beam, paint, casts=False)


def traffic_sign(rng: Generator, thing: Thing) -> None:
    """A round, square or three-cornered sign on a post; at times its back is seen."""
    foot = rng.uniform(1.7, 2.3)
    _post(rng, thing, rng.uniform(0.05, 0.08), foot + 0.5)
    half = rng.uniform(0.38, 0.6)
    if rng.random() < 0.25:
        paint = Paint(pick(rng, GREYS), contrast=0.08)
    else:
        paint = Paint(*pick_board(rng), Pattern.SIGN, contrast=0.05)
    at, kind = (0.0, foot + half, -0.08), rng.integers(3)
    if kind == 0:
        size = (half, half, 0.03)
        thing.add(CYLINDER, Label.TRAFFIC_SIGN, at, size, paint, axis=Axis.FORWARD, casts=False)
    else:
        wide = half * rng.uniform(0.8, 1.3)
        shape = BOX if kind == 1 else GABLE
        thing.add(shape, Label.TRAFFIC_SIGN, at, (wide, half, 0.03), paint, casts=False)


def gantry_sign(rng: Generator, thing: Thing, span: float) -> None:
    """A direction board above the road, hung on a frame of `span` metres to either side."""
    height = rng.uniform(5.2, 6.2)
    post = Paint(pick(rng, GREYS), contrast=0.1)
    for side in (-span, span):
        thing.add(
            CYLINDER, Label.POLE, (side, height / 2, 0), (0.16, height / 2, 0.16), post, casts=False
        )
    thing.add(
        CYLINDER, Label.POLE, (0, height, 0), (span, 0.14, 0.14), post, axis=Axis.RIGHT, casts=False
    )
    for _ in range(rng.integers(1, 3)):
        paint = Paint(*pick_board(rng), Pattern.SIGN, contrast=0.05)
        at = (rng.uniform(-0.6, 0.6) * span, height, -0.2)
        size = (rng.uniform(1.0, 2.0), rng.uniform(0.6, 1.0), 0.05)
        thing.add(BOX, Label.TRAFFIC_SIGN, at, size, paint, casts=False)


def traffic_light(rng: Generator, thing: Thing, reach: float) -> None:
    """Lights on a post and, with `reach` != 0, a second head on an arm over the road."""
    height = rng.uniform(2.6, 3.1)
    paint = _post(rng, thing, rng.uniform(0.08, 0.12), 5.2 if reach else height)
    box = (0.24, 0.55, 0.18)
    thing.add(BOX, Label.TRAFFIC_LIGHT, (0, height, -0.2), box, LAMPS, casts=False)
    if reach:
        arm = (abs(reach) / 2, 0.08, 0.08)
        thing.add(
            CYLINDER, Label.POLE, (reach / 2, 5.2, 0), arm, paint, axis=Axis.RIGHT, casts=False
        )
        box = (0.28, 0.62, 0.18)
        thing.add(BOX, Label.TRAFFIC_LIGHT, (reach, 4.9, -0.2), box, LAMPS, casts=False)


def guard_rail(thing: Thing, paint: Paint, kind: int, length: float) -> None:
    """A stretch of barrier along the road: a steel beam (0), a railing (1) or concrete (2)."""
    half = length / 2
    if kind == 2:
        thing.add(BOX, Label.GUARD_RAIL, (0, 0.45, 0), (0.2, 0.45, half), paint)
        return
    beams = ((0.62, 0.19),) if kind == 0 else ((0.35, 0.07), (0.95, 0.09))
    top = beams[-1][0] + beams[-1][1]
    for up, high in beams:
        thing.add(BOX, Label.GUARD_RAIL, (0, up, 0), (0.06, high, half), paint, casts=kind == 0)
    for forward in (-half / 2, half / 2):
        post = (0.06, top / 2, 0.07)
        thing.add(
            BOX, Label.GUARD_RAIL, (0, top / 2, forward), post, paint, casts=False, detail=True
        )


def clutter(rng: Generator, thing: Thing) -> None:
    """A skip, a kiosk, a bin, a cable drum or a box trailer, painted like the cars."""
    paint = Paint(pick(rng, PAINTS), pick(rng, PAINTS), Pattern.PANEL, 1.0, 0.1)
    kind = rng.choice(5, p=[0.25, 0.2, 0.2, 0.1, 0.25])
    if kind == 0:
        half = (rng.uniform(0.8, 1.0), rng.uniform(0.5, 0.8), rng.uniform(1.4, 2.2))
        thing.add(BOX, Label.MISC, (0, half[1], 0), half, paint)
    elif kind == 1:
        half = (rng.uniform(0.7, 1.1), rng.uniform(1.0, 1.3), rng.uniform(0.7, 1.2))
        thing.add(BOX, Label.MISC, (0, half[1], 0), half, paint._replace(pattern=Pattern.FACADE))
    elif kind == 2:
        for right in (-0.4, 0.4):
            half = (0.35, rng.uniform(0.5, 0.65), 0.35)
            thing.add(BOX, Label.MISC, (right, half[1], 0), half, paint._replace(contrast=0.2))
    elif kind == 3:
        thing.add(CYLINDER, Label.MISC, (0, 0.9, 0), (0.55, 0.9, 0.9), paint, axis=Axis.RIGHT)
    else:
        half = (0.95, rng.uniform(0.6, 0.8), rng.uniform(1.3, 1.9))
        thing.add(BOX, Label.MISC, (0, 0.5 + half[1], 0), half, paint)
        wheel = Paint((0.05, 0.05, 0.05))
        for side in (-0.85, 0.85):
            thing.add(
                CYLINDER, Label.MISC, (side, 0.32, 0), (0.1, 0.32, 0.32), wheel, axis=Axis.RIGHT,
                casts=False, detail=True,
            )  # fmt: skip


def person(rng: Generator, thing: Thing) -> None:
    """A pedestrian; Virtual KITTI 2 has no class for people, so they are Undefined."""
    height = rng.uniform(1.55, 1.9)
    coat = Paint(pick(rng, PAINTS), grain=0.3)
    legs = Paint(pick(rng, PAINTS[:3]), grain=0.3)
    skin = Paint((0.5, 0.36, 0.28))
    parts = ((CYLINDER, 0.24, 0.24, 0.14, legs), (ELLIPSOID, 0.64, 0.21, 0.25, coat),
             (ELLIPSOID, 0.92, 0.08, 0.11, skin))  # fmt: skip
    for shape, up, tall, wide, paint in parts:
        half = (wide, tall * height, wide)
        thing.add(shape, Label.UNDEFINED, (0, up * height, 0), half, paint, casts=False)
