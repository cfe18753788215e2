"""What is to be made: the arguments of a set of streets, checked, and what follows from them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches

import numpy as np
from numpy.random import Generator, SeedSequence

from lix.streets.weather import VARIATIONS
from lix.streets.worlds import WORLDS, World

VERSION = 1
BASELINE = 0.532725
_SMALLEST = 32
_VAL_SHARE = 2 / 7


@dataclass(frozen=True)
class Plan:
    """A set of streets; everything in it follows from these numbers.

    Attributes:
        world: Name in `WORLDS`.
        seed: Seed of the whole set.
        images: Number of streets.
        val_images: How many of them, the last ones, are for validation.
        height: Image height in pixels.
        width: Image width in pixels.
        version: Version of the generator.
    """

    world: str
    seed: int
    images: int
    val_images: int
    height: int
    width: int
    version: int = VERSION

    def record(self) -> dict[str, str | int]:
        """All attributes by name."""
        return asdict(self)

    @property
    def kind(self) -> World:
        """The world."""
        return WORLDS[self.world]

    @property
    def scene(self) -> str:
        """Name of the scene folder, e.g. Scene01."""
        return f"Scene{self.kind.scene:02d}"

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.kind.focal * self.width

    def generators(self, index: int) -> tuple[Generator, Generator, Generator, Generator]:
        """Independent generators for an image's weather, street, and noise of both cameras."""
        seeds = SeedSequence([self.seed, self.kind.scene, index]).spawn(4)
        weather, street, left, right = (np.random.default_rng(seed) for seed in seeds)
        return weather, street, left, right

    def variation(self, index: int) -> str:
        """The variation in whose folder image `index` lies."""
        return self._choose(self.generators(index)[0])

    @staticmethod
    def _choose(weather: Generator) -> str:
        return VARIATIONS[int(weather.integers(len(VARIATIONS)))]


def make_plan(
    images: int, size: Sequence[int], seed: int, world: str, val_images: int | None
) -> Plan:
    """Check the arguments of `write_streets` and complete them.

    Raises:
        ValueError: If an argument is out of range; the sentence says what to pass instead.
    """
    if world not in WORLDS:
        nearest = get_close_matches(world, WORLDS, n=1, cutoff=0.0)
        choices = ", ".join(WORLDS)
        raise ValueError(
            f"There is no world {world!r}; did you mean {nearest[0]!r}? The choices are {choices}."
        )
    if images < 1:
        raise ValueError(f"images is {images}; pass 1 or more.")
    if seed < 0:
        raise ValueError(f"seed is {seed}; pass 0 or more.")
    if len(size) != 2 or min(size) < _SMALLEST:
        raise ValueError(
            f"size is {tuple(size)}; pass height and width, each at least {_SMALLEST} pixels."
        )
    chosen = round(images * _VAL_SHARE) if val_images is None else val_images
    if not 0 <= chosen <= images:
        raise ValueError(f"val_images is {chosen}; pass a number from 0 to images ({images}).")
    return Plan(world, seed, images, chosen, size[0], size[1])
