"""A small data set without faults, and the means to put one into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

SIZE = HEIGHT, WIDTH = 64, 96
FRAMES = {"train": 5, "val": 3}

Parts = dict[str, NDArray[Any]]
"""`image`, `label` and `x` of a frame."""


def clean(split: str, index: int) -> Parts:
    """A frame of noise with three classes; its depth, in millimetres, falls towards the bottom."""
    random = np.random.default_rng([len(split), index])
    rows = np.linspace(60, 5, HEIGHT)[:, None] + random.uniform(0, 1, SIZE)
    return {
        "image": random.integers(0, 256, (*SIZE, 3), np.uint8),
        "label": np.tile((np.arange(WIDTH) // 8 % 3).astype(np.uint8), (HEIGHT, 1)),
        "x": (1000 * rows).astype(np.uint16),
    }


def described(**changes: Any) -> dict[str, Any]:
    patterns = {"image": "{}/image/*.png", "label": "{}/label/*.png", "x": "{}/x/*.png"}
    entries: dict[str, Any] = {
        "classes": ["road", "car", "sky"],
        "x": {"kind": "depth", "unit": "mm"},
        "intrinsics": [80.0, 80.0, 47.5, 31.5],
    }
    for split in FRAMES:
        entries[split] = {part: pattern.format(split) for part, pattern in patterns.items()}
    entries |= changes
    if not entries["x"]:
        for split in FRAMES:
            del entries[split]["x"]
    return entries


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes the data set, with changed arrays and entries of its YAML, and returns its folder."""

    def write(change: Callable[[str, int, Parts], object] | None = None, **entries: Any) -> Path:
        root = tmp_path / "data"
        for split, count in FRAMES.items():
            for index in range(count):
                parts = clean(split, index)
                if change is not None:
                    change(split, index, parts)
                for part, array in parts.items():
                    path = root / split / part / f"{split}{'ab'[index % 2]}_{index}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(array).save(path)
        (root / "lix.yaml").write_text(yaml.safe_dump(described(**entries)))
        return root

    return write
