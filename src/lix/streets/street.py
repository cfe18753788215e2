"""A random street of a world: its road, its things and the camera that drives on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from lix.streets import furniture, houses, plants, vehicles
from lix.streets.camera import Camera
from lix.streets.ground import Road
from lix.streets.labels import Label
from lix.streets.palette import EARTHS, GREENS, GREYS, pick
from lix.streets.scene import Scene
from lix.streets.shapes import SLOPE
from lix.streets.solids import Paint, Solid, Thing
from lix.streets.worlds import World

END = 115.0
"""Metres along the road up to which things stand."""
CLEAR_OF_CROSSING = 2.0
"""Metres between a row of things and a side road."""
VEHICLES = (vehicles.car, vehicles.van, vehicles.truck)
VEHICLE_LENGTHS = (4.7, 5.8, 11.0)
"""Longest car, van and truck in metres."""
PARKING_GAP = 4.0
"""Mean distance between parked vehicles in metres."""
PARKING_LITTER = 0.15
"""Share of clutter among parked vehicles."""


class Street(NamedTuple):
    """A road, the solids around it, and the camera that sees them."""

    road: Road
    scene: Scene
    camera: Camera


def draw_street(rng: Generator, world: World, size: tuple[int, int]) -> Street:
    """Draw a random street of a world, seen by a camera of `size` (height, width)."""
    road = _draw_road(rng, world)
    camera = _draw_camera(rng, world, road, size)
    builder = _Builder(rng, world, road)
    builder.background()
    for side in (-1, 1):
        builder.roadside(side)
    builder.traffic(camera.position[0])
    builder.overhead()
    return Street(road, Scene(builder.solids()), camera)


def _draw_road(rng: Generator, world: World) -> Road:
    lanes = int(rng.integers(world.lanes[0], world.lanes[1] + 1))
    lane_width = rng.uniform(*world.lane_width)
    parking = 2.2 if lanes == 1 and rng.random() < world.parking else 0.0
    has_crossing = rng.random() < world.crossing
    return Road(
        curvature=rng.uniform(-1, 1) * world.curvature,
        half_width=lanes * lane_width + parking + 0.3,
        lane_width=lane_width,
        lanes=lanes,
        parking=parking,
        kerb=rng.uniform(*world.kerb),
        pavement=rng.uniform(*world.pavement),
        crossing=rng.uniform(14, 50) if has_crossing else float("inf"),
        crossing_half_width=rng.uniform(3.0, 5.0),
        asphalt=Paint(pick(rng, GREYS[:3]), grain=0.35, contrast=0.12),
        paving=Paint(pick(rng, GREYS + EARTHS[1:2]), grain=0.6, contrast=0.12),
        soil=Paint(pick(rng, GREENS), pick(rng, EARTHS + GREYS[1:3]), grain=0.45, contrast=0.35),
        bare=world.paved * rng.uniform(0.5, 2.0),
    )


def _draw_camera(rng: Generator, world: World, road: Road, size: tuple[int, int]) -> Camera:
    lateral = (int(rng.integers(road.lanes)) + 0.5) * road.lane_width + rng.normal(0, 0.25)
    return Camera(
        size=size,
        focal=world.focal * size[1],
        position=(lateral, rng.uniform(*world.camera_height), 0.0),
        yaw=rng.normal(0, world.yaw) + 8 * road.curvature,
        pitch=rng.uniform(*world.pitch),
    )


class _Builder:
    """Fills a street with things, row by row."""

    def __init__(self, rng: Generator, world: World, road: Road) -> None:
        self.rng, self.world, self.road = rng, world, road
        self.things: list[Thing] = []

    def solids(self) -> list[Solid]:
        """Everything placed so far."""
        return [solid for thing in self.things for solid in thing.solids]

    def thing(self, along: float, lateral: float, turn: float = 0.0) -> Thing:
        """A new thing at a place of the street, on the road or on the terrain."""
        x, z, heading = self.road.place(along, lateral)
        y = 0.0 if abs(lateral) < self.road.half_width else self.road.kerb
        self.things.append(Thing(len(self.things), x, y, z, heading + turn))
        return self.things[-1]

    def row(self, gap: float, start: float = 4.0, length: float = 0.0) -> Iterator[float]:
        """Distances along the street with random gaps, none on the side road."""
        along = start + self.rng.uniform(0, gap)
        while along < END:
            if not self.road.crosses(along, CLEAR_OF_CROSSING + length / 2):
                yield along
            along += length + gap * self.rng.uniform(0.4, 1.6)

    # ---- one side -----------------------------------------------------------------------------

    def roadside(self, side: int) -> None:
        """Everything on the left (-1) or on the right (1) of the road."""
        edge = self.road.half_width
        if self.rng.random() < self.world.rail:
            self.rails(side * (edge + 0.35), self.rng.uniform(3, 15), self.rng.uniform(25, 100))
        self.furniture(side, edge + 0.8)
        self.pavement(side, edge + self.road.pavement)
        back = edge + self.road.pavement
        if self.rng.random() < self.world.bank:
            self.bank(side, back + 0.5)
        else:
            self.greenery(side, back)
            self.houses(side, edge)

    def rails(self, lateral: float, start: float, stop: float) -> None:
        """One kind of guard rail along the road, open where the side road passes."""
        kind = int(self.rng.choice(3, p=self.world.rail_kinds))
        paint = Paint(pick(self.rng, GREYS), grain=1.5, contrast=0.12)
        for along in np.arange(start, stop, 4.0):
            if not self.road.crosses(along, 3):
                furniture.guard_rail(self.thing(along, lateral), paint, kind, 4.0)

    def furniture(self, side: int, lateral: float) -> None:
        """Lamp posts, masts, signs and traffic lights."""
        toward = -side
        for along in self.row(self.world.furniture_gap, start=6):
            thing = self.thing(along, side * (lateral + self.rng.uniform(0, 0.5)))
            kind = self.rng.choice(4, p=self.world.furniture)
            if kind == 0:
                furniture.lamp_post(self.rng, thing, toward * self.rng.uniform(1, 2))
            elif kind == 1:
                furniture.mast(self.rng, thing)
            elif kind == 2:
                furniture.traffic_sign(self.rng, thing)
            else:
                reach = toward * 2.6 if self.rng.random() < 0.4 else 0.0
                furniture.traffic_light(self.rng, thing, reach)

    def pavement(self, side: int, back: float) -> None:
        """Clutter and people between the kerb and the distance `back` from the centre line."""
        between = (self.road.half_width + 1.0, max(back, self.road.half_width + 2.0))
        things: tuple[tuple[float, Callable[[Generator, Thing], None]], ...] = (
            (self.world.clutter_gap, furniture.clutter),
            (self.world.people_gap, furniture.person),
        )
        for gap, make in things:
            for along in self.row(gap, start=7):
                lateral = side * self.rng.uniform(*between)
                make(self.rng, self.thing(along, lateral, self.rng.normal(0, 0.3)))

    def greenery(self, side: int, back: float) -> None:
        """Trees, bushes, hedges and garden walls."""
        for along in self.row(self.world.tree_gap, start=8):
            lateral = side * (back + self.rng.uniform(-0.8, 4.0))
            plants.tree(self.rng, self.thing(along, lateral))
        for along in self.row(self.world.bush_gap, start=6):
            plants.bush(self.rng, self.thing(along, side * (back + self.rng.uniform(0.3, 4))))
        for along in self.row(30.0, length=7.0):
            thing = self.thing(along, side * (back + self.rng.uniform(0.4, 1.4)))
            if self.rng.random() < 0.65:
                plants.hedge(self.rng, thing, 7.0)
            else:
                houses.garden_wall(self.rng, thing, 7.0)

    def houses(self, side: int, edge: float) -> None:
        """Buildings in a line along the road."""
        setback = self.rng.uniform(*self.world.setback) + self.road.pavement / 2
        along = self.rng.uniform(0, self.world.house_gap) + 2
        while along < END + 20:
            length, depth = self.rng.uniform(*self.world.house_length), self.rng.uniform(8, 14)
            height = self.rng.uniform(*self.world.house_height)
            middle = along + length / 2
            if not self.road.crosses(middle, length / 2 + 1):
                lateral = side * (edge + setback + self.rng.uniform(0, 1.5) + depth / 2)
                make = houses.hall if self.rng.random() < self.world.halls else houses.house
                make(self.rng, self.thing(middle, lateral), length, height, depth)
            along += length + self.world.house_gap * self.rng.uniform(0.2, 1.8)

    def bank(self, side: int, foot: float) -> None:
        """A grassy or bare slope next to the road, with bushes and trees on it."""
        rise, wide = self.rng.uniform(1.5, 5.0), self.rng.uniform(6, 14)
        paint = Paint(pick(self.rng, GREENS + EARTHS[:2]), grain=1.2, contrast=0.3)
        for along in np.arange(4.0, END, 10.0):
            if self.road.crosses(along, 6):
                continue
            thing = self.thing(along, side * (foot + wide / 2), 0.0 if side > 0 else np.pi)
            half = (wide / 2, rise / 2, 5.6)
            thing.add(SLOPE, Label.TERRAIN, (0, half[1], 0), half, paint, casts=False)
        for gap, make in ((self.world.bush_gap, plants.bush), (self.world.tree_gap, plants.tree)):
            for along in self.row(gap, start=8):
                share = self.rng.uniform(0.1, 1.0)
                thing = self.thing(along, side * (foot + share * wide))
                thing.y += rise * share - 0.1
                make(self.rng, thing)

    # ---- the road and beyond ------------------------------------------------------------------

    def traffic(self, ego: float) -> None:
        """Vehicles on all lanes, clutter among those that park, and a rail between directions."""
        if self.road.lanes > 1 and self.rng.random() < self.world.median:
            self.rails(0.0, 4.0, END)
        for direction in (-1, 1):
            for lane in range(self.road.lanes):
                lateral = direction * (lane + 0.5) * self.road.lane_width
                start = 9.0 if abs(lateral - ego) < self.road.lane_width / 2 + 0.6 else 4.0
                self.lane(lateral, start, direction)
            if self.road.parking:
                lateral = direction * (self.road.half_width - self.road.parking / 2)
                self.lane(lateral, 4.0, direction, parked=True)

    def lane(self, lateral: float, start: float, direction: int, parked: bool = False) -> None:
        """One lane of vehicles; where they park they stand close, with clutter among them."""
        gap = PARKING_GAP if parked else self.world.headway
        litter = PARKING_LITTER if parked else 0.0
        along = start + self.rng.uniform(0, gap)
        while along < END:
            kind = int(self.rng.choice(3, p=self.world.vehicles))
            if parked and VEHICLES[kind] is vehicles.truck:
                kind = 0
            length = VEHICLE_LENGTHS[kind]
            middle = along + length / 2
            aside = lateral + self.rng.normal(0, 0.15)
            turn = (0.0 if direction > 0 else np.pi) + self.rng.normal(0, 0.02)
            if not (parked and self.road.crosses(middle, length / 2 + 1)):
                make = furniture.clutter if self.rng.random() < litter else VEHICLES[kind]
                make(self.rng, self.thing(middle, aside, turn))
            along += length + gap * self.rng.uniform(0.3, 1.9)

    def overhead(self) -> None:
        """Sign frames and bridges."""
        span = self.road.half_width + 0.8
        if self.rng.random() < self.world.gantry:
            furniture.gantry_sign(self.rng, self.thing(self.rng.uniform(18, 50), 0.0), span)
        if self.rng.random() < self.world.bridge:
            houses.bridge(self.rng, self.thing(self.rng.uniform(35, 80), 0.0), span + 1)

    def background(self) -> None:
        """Hills and woods on the horizon."""
        for _ in range(self.rng.integers(0, 3)):
            x, z = self.rng.uniform(-220, 220), self.rng.uniform(220, 420)
            self.things.append(Thing(len(self.things), x, 0.0, z, 0.0))
            plants.hill(self.rng, self.things[-1])
        for _ in range(self.rng.integers(1, 6)):
            x, z = self.rng.uniform(-160, 160), self.rng.uniform(140, 240)
            self.things.append(Thing(len(self.things), x, 0.0, z, 0.0))
            plants.wood(self.rng, self.things[-1])
