"""One image of a plan: photographs, depth and classes of one street."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lix.streets.arrays import IntArray
from lix.streets.labels import COLOUR_TABLE, Label
from lix.streets.plan import BASELINE, StreetPlan
from lix.streets.raycast import ROAD, SKY, TERRAIN, Hits, cast
from lix.streets.scene import Scene
from lix.streets.shade import photograph
from lix.streets.street import draw_street
from lix.streets.weather import draw_weather

FARTHEST = 65535
"""Depth of the sky in centimetres, and the largest of a file."""


class Frame(NamedTuple):
    """Images that one camera records."""

    camera: int
    """0 (left) or 1 (right)."""
    rgb: NDArray[np.uint8]
    """uint8 RGB, (H, W, 3)."""
    depth: NDArray[np.uint16]
    """uint16 centimetres along the optical axis, 65535 for the sky, (H, W)."""
    classes: NDArray[np.uint8]
    """uint8 RGB in the official colours, (H, W, 3)."""


def render(plan: StreetPlan, index: int, cameras: Sequence[int]) -> Iterator[Frame]:
    """Render image `index` of a plan as `cameras` see it."""
    weather_rng, street_rng, *noise_rngs = plan.generators(index)
    weather = draw_weather(weather_rng, plan.variation(index))
    street = draw_street(street_rng, plan.kind, plan.size)
    for number in cameras:
        camera = street.camera.beside(number * BASELINE)
        hits = cast(street.scene, street.road, camera)
        rgb = photograph(street, camera, hits, weather, noise_rngs[number])
        yield Frame(number, rgb, _centimetres(hits), COLOUR_TABLE[_labels(street.scene, hits)])


def _centimetres(hits: Hits) -> NDArray[np.uint16]:
    return np.minimum(np.rint(hits.depth * 100), FARTHEST).astype(np.uint16)


def _labels(scene: Scene, hits: Hits) -> IntArray:
    labels = scene.label[np.maximum(hits.index, 0)]
    for index, label in ((SKY, Label.SKY), (TERRAIN, Label.TERRAIN), (ROAD, Label.ROAD)):
        labels[hits.index == index] = label
    return labels
