"""The settings of a set of streets, checked, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, SeedSequence

from lix.core.errors import check_choice
from lix.streets.weather import VARIATIONS
from lix.streets.worlds import WORLDS, World

VERSION = 1
"""Version of the generator."""
BASELINE = 0.532725
"""Metres between the two cameras."""
MIN_SIDE = 32
"""Smallest height and width in pixels."""
VAL_SHARE = 2 / 7


@dataclass(frozen=True)
class StreetPlan:
    """A set of streets; everything in it follows from these settings.

    Raises:
        ValueError: a setting is out of range; the message says what to pass instead.

    >>> StreetPlan(images=7, size=(48, 160)).num_val
    2
    """

    images: int
    """Number of streets."""
    size: tuple[int, int]
    """Height and width in pixels, at least 32 each."""
    seed: int = 0
    """Seed of the whole set."""
    world: str = "town"
    """Name in `WORLDS`."""
    val_images: int | None = None
    """Number of streets for validation, the last ones; default: two of seven."""

    def __post_init__(self) -> None:
        check_choice("world", self.world, WORLDS)
        if self.images < 1:
            raise ValueError(f"images is {self.images}; pass 1 or more.")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; pass 0 or more.")
        if len(self.size) != 2 or min(self.size) < MIN_SIDE:
            raise ValueError(
                f"size is {tuple(self.size)}; pass height and width, each at least {MIN_SIDE} "
                "pixels."
            )
        if not 0 <= self.num_val <= self.images:
            raise ValueError(
                f"val_images is {self.num_val}; pass a number from 0 to images ({self.images})."
            )

    @property
    def num_val(self) -> int:
        """Number of streets for validation."""
        return round(self.images * VAL_SHARE) if self.val_images is None else self.val_images

    def record(self) -> dict[str, str | int]:
        """All settings by name, as `streets.json` holds them."""
        return {
            "world": self.world,
            "seed": self.seed,
            "images": self.images,
            "val_images": self.num_val,
            "height": self.size[0],
            "width": self.size[1],
            "version": VERSION,
        }

    @property
    def kind(self) -> World:
        """The world."""
        return WORLDS[self.world]

    @property
    def scene(self) -> str:
        """Name of the scene folder, such as Scene01."""
        return f"Scene{self.kind.scene:02d}"

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.kind.focal * self.size[1]

    def generators(self, index: int) -> tuple[Generator, Generator, Generator, Generator]:
        """Independent generators of an image's weather, street and noise of either camera."""
        weather, street, left, right, _ = self._spawned(index)
        return weather, street, left, right

    def lidar_generator(self, index: int) -> Generator:
        """Generator of the LiDAR's noise, independent of the others."""
        return self._spawned(index)[4]

    def _spawned(self, index: int) -> list[Generator]:
        seeds = SeedSequence([self.seed, self.kind.scene, index]).spawn(5)
        return [np.random.default_rng(seed) for seed in seeds]

    def variation(self, index: int) -> str:
        """The variation in whose folder image `index` lies."""
        weather = self.generators(index)[0]
        return VARIATIONS[int(weather.integers(len(VARIATIONS)))]
