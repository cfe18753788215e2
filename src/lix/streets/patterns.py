"""What is drawn on surfaces: windows, lamps, signs, leaves, lane markings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lix.streets.arrays import BoolArray, FloatArray, IntArray
from lix.streets.ground import Road
from lix.streets.scene import Scene
from lix.streets.solids import Pattern
from lix.streets.surface import Surface
from lix.streets.texture import cell_noise, noise

GLASS = np.array([[0.13], [0.16], [0.19]], dtype=np.float32)
RED = np.array([[0.55], [0.06], [0.05]], dtype=np.float32)
WHITE = np.array([[0.82], [0.82], [0.78]], dtype=np.float32)
LIT = np.array([[0.95, 0.2, 0.15], [0.95, 0.7, 0.2], [0.3, 0.9, 0.6]], dtype=np.float32)
KERB_STONE = 0.22
"""Width of the kerb stones in metres."""
MARKING = np.float32(0.78)
"""Grey of the lane markings."""


def albedo(scene: Scene, surface: Surface) -> FloatArray:
    """Colours of points on solids, (3, N)."""
    solid = surface.solid
    scale = 1 / scene.grain[solid]
    phase = (solid % 97).astype(np.float32) * np.float32(3.37)
    spots = noise(surface.local * scale + phase)
    spots += np.float32(0.5) * noise(surface.local * (scale * np.float32(3.1)) - phase)
    colour = scene.colour[solid].T * (1 + scene.contrast[solid] * spots)
    pattern = scene.pattern[solid]
    for kind, draw in PATTERNS.items():
        here = np.flatnonzero(pattern == kind)
        if len(here):
            colour[:, here] = draw(surface.part(here), colour[:, here], scene.accent[solid[here]].T)
    return colour


def _random(solid: IntArray, salt: int) -> FloatArray:
    """A number in [0, 1] that belongs to each solid."""
    number = solid.astype(np.float32)
    return cell_noise(number, number // 32, np.full_like(number, salt)) / 2 + 0.5


def _across(surface: Surface) -> tuple[FloatArray, FloatArray]:
    """Metres along a wall and above its foot."""
    right, up, forward = surface.local
    side_wall = np.abs(surface.facing[0]) > np.abs(surface.facing[2])
    height = up * (1 + 1 / np.where(np.abs(surface.share[1]) < 1e-6, 1, surface.share[1]))
    return np.where(side_wall, forward, right), height


def _facade(surface: Surface, colour: FloatArray, accent: FloatArray) -> FloatArray:
    """Rows of windows, some lit or shuttered; at times a shop front below."""
    solid = surface.solid
    along, height = _across(surface)
    column = along / (1.8 + 1.6 * _random(solid, 0)) + 100
    storey = height / (2.7 + 0.6 * _random(solid, 1))
    u, v = column % 1, storey % 1
    margin = 0.12 + 0.2 * _random(solid, 2)
    wall = np.abs(surface.facing[1]) < 0.5
    window = wall & (np.abs(u - 0.5) < 0.5 - margin) & (np.abs(v - 0.52) < 0.28)
    cell = cell_noise(column, storey, solid.astype(np.float32))
    pane = GLASS * (1.0 + 0.5 * cell) + np.where(cell > 0.55, 0.45, 0.0).astype(np.float32)
    shop = wall & (_random(solid, 3) > 0.55) & (storey < 1)
    colour = np.where(shop & (v > 0.8), accent, colour)
    window |= shop & (v > 0.12) & (v < 0.78) & (np.abs(u - 0.5) < 0.45)
    return np.where(window, pane, colour)


def _body(surface: Surface, colour: FloatArray, _: FloatArray) -> FloatArray:
    """A dark sill, lamps at the corners and a number plate."""
    x, y = np.abs(surface.share[0]), surface.share[1]
    colour = np.where(y < -0.55, colour * np.float32(0.45), colour)
    end = np.abs(surface.facing[2]) > 0.6
    lamp = np.where(surface.facing[2] < 0, RED, WHITE)
    colour = np.where(end & (x > 0.62) & (y > 0.0) & (y < 0.75), lamp, colour)
    return np.where(end & (x < 0.28) & (y > -0.4) & (y < 0.0), WHITE * np.float32(0.9), colour)


def _glass(surface: Surface, colour: FloatArray, accent: FloatArray) -> FloatArray:
    """A car's cabin: glass between pillars, under a roof."""
    x, y, z = surface.share
    pane = (surface.facing[1] < 0.75) & (y > -0.85) & (y < 0.72)
    side = np.abs(surface.facing[0]) > 0.6
    pillar = np.where(side, np.abs(z + 0.05) < 0.06, np.abs(x) > 0.88 - 0.1 * y)
    gloss = np.float32(1) + np.float32(0.9) * np.clip(surface.facing[1], 0, 1)
    return np.where(pane & ~pillar, accent * gloss, colour)


def _van(surface: Surface, colour: FloatArray, accent: FloatArray) -> FloatArray:
    """A windscreen, door windows, lamps and, on some, rear windows."""
    x, y, z = surface.share
    colour = np.where(y < -0.8, colour * np.float32(0.5), colour)
    front, rear = surface.facing[2] > 0.3, surface.facing[2] < -0.3
    pane = front & (y > 0.12) & (y < 0.85) & (np.abs(x) < 0.86)
    pane |= (np.abs(surface.facing[0]) > 0.6) & (z > 0.38) & (z < 0.8) & (y > 0.1) & (y < 0.68)
    rear_pane = rear & (y > 0.1) & (y < 0.7) & (np.abs(np.abs(x) - 0.45) < 0.33)
    pane |= rear_pane & (_random(surface.solid, 4) > 0.4)
    colour = np.where(pane, accent, colour)
    lamp = np.where(rear, RED, WHITE)
    return np.where((front | rear) & (np.abs(x) > 0.78) & (np.abs(y + 0.45) < 0.18), lamp, colour)


def _leaves(surface: Surface, colour: FloatArray, _: FloatArray) -> FloatArray:
    """Clumps of leaves: bright and dark flecks."""
    flecks = cell_noise(*(surface.local * np.float32(7.0) + 50))
    return colour * (1 + np.float32(0.28) * flecks)


def _sign(surface: Surface, colour: FloatArray, accent: FloatArray) -> FloatArray:
    """A rim, and a bar or lines of letters, in the second colour."""
    x, y, _ = surface.share
    rim = np.maximum(np.abs(x), np.abs(y)) > 0.82
    seed = surface.solid.astype(np.float32)
    letters = (np.abs(x) < 0.7) & ((y * 1.7) % 1 < 0.55) & (cell_noise(x * 5, y * 1.7, seed) > -0.3)
    bar = (np.abs(y) < 0.2) & (np.abs(x) < 0.55)
    symbol = np.where(_random(surface.solid, 6) > 0.5, letters, bar)
    return np.where(rim | symbol, accent, colour)


def _lamps(surface: Surface, colour: FloatArray, _: FloatArray) -> FloatArray:
    """Three lamps, one of them lit."""
    x, y = surface.share[:2]
    band = np.clip(((y + 1) * 1.5).astype(np.int32), 0, 2)
    lamp = (np.abs(x) < 0.62) & (np.abs((y + 1) * 1.5 - band - 0.5) < 0.36)
    lit = 2 - band == surface.solid % 3
    shine = np.where(lit, LIT[2 - band].T, LIT[2 - band].T * np.float32(0.2))
    return np.where(lamp & (surface.facing[2] < 0), shine, colour)


def _panel(surface: Surface, colour: FloatArray, accent: FloatArray) -> FloatArray:
    """Ribs and, on some, a lettered board."""
    along, _ = _across(surface)
    colour = np.where((along / 0.7) % 1 < 0.14, colour * np.float32(0.8), colour)
    side_wall = np.abs(surface.facing[0]) > np.abs(surface.facing[2])
    across = np.where(side_wall, surface.share[2], surface.share[0])
    board = (np.abs(across) < 0.55) & (np.abs(surface.share[1] - 0.25) < 0.3)
    return np.where(board & (_random(surface.solid, 5) > 0.5), accent, colour)


PATTERNS: dict[Pattern, Callable[[Surface, FloatArray, FloatArray], FloatArray]] = {
    Pattern.FACADE: _facade,
    Pattern.BODY: _body,
    Pattern.GLASS: _glass,
    Pattern.VAN: _van,
    Pattern.LEAVES: _leaves,
    Pattern.SIGN: _sign,
    Pattern.LAMPS: _lamps,
    Pattern.PANEL: _panel,
}


def ground_albedo(
    road: Road, points: FloatArray, is_road: BoolArray, footprint: FloatArray
) -> FloatArray:
    """Colours of ground points (3, N); `footprint` is the width of a pixel there in metres."""
    lateral = road.lateral(points[0], points[2])
    flat = np.stack([points[0], np.zeros_like(points[0]), points[2]])
    broad, fine = noise(flat * np.float32(0.23)), noise(flat * np.float32(2.3) + 11)
    aside = np.abs(lateral) - road.half_width
    across = np.abs(points[2] - road.crossing) - road.crossing_half_width
    beside = np.minimum(aside, across)
    paved = beside < road.pavement
    kerb_stone = (~is_road & (beside < KERB_STONE)) * np.minimum(1, KERB_STONE / footprint)
    soil = np.where(broad + 0.3 * fine < 2 * road.bare - 1, _column(road.soil.accent),
                    _column(road.soil.colour))  # fmt: skip
    colour = np.where(paved, _column(road.paving.colour), soil)
    colour = np.where(is_road, _column(road.asphalt.colour), colour)
    colour = colour * (1 + 0.25 * kerb_stone)
    contrast = np.where(is_road | paved, road.asphalt.contrast, road.soil.contrast)
    colour = colour * (1 + contrast * (0.4 * broad + 0.8 * fine))
    share = is_road * _markings(road, lateral, points[2], footprint)
    return np.asarray(colour + share * (MARKING - colour), dtype=np.float32)


def _column(colour: tuple[float, float, float]) -> FloatArray:
    return np.array(colour, dtype=np.float32)[:, None]


def _markings(
    road: Road, lateral: FloatArray, along: FloatArray, footprint: FloatArray
) -> FloatArray:
    """Share of the pixel that is covered by white paint."""

    def line(centre: float, half_width: float = 0.08) -> FloatArray:
        gap = half_width - np.abs(lateral - centre)
        widest = np.minimum(1, 2 * half_width / footprint)
        return np.asarray(np.clip(gap / footprint + 0.5, 0, widest), dtype=np.float32)

    dashes = (along / 7.0) % 1 < 0.5
    share = line(0.0, 0.12 if road.lanes > 1 else 0.08) * (dashes | (road.lanes > 1))
    for side in (-1, 1):
        share = share + line(side * (road.lanes * road.lane_width + 0.1))
        for lane in range(1, road.lanes):
            share = share + line(side * lane * road.lane_width) * dashes
    across = np.abs(along - road.crossing) - road.crossing_half_width
    stripes = (lateral / 1.0) % 1 < 0.5
    zebra = (across > 0.6) & (across < 3.0) & stripes
    share = np.where(across < 0.6, 0, np.maximum(share, zebra * np.minimum(1, 0.5 / footprint)))
    return np.asarray(np.clip(share, 0, 1) * 0.85, dtype=np.float32)
