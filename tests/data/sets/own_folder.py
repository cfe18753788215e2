"""A small data set of the user's own: five frames in two splits, and its YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.data.sets.contract import save

SIZE = (4, 6)
LABELS = np.arange(24, dtype=np.uint8).reshape(SIZE) % 3
MILLIMETRES = (np.arange(24, dtype=np.uint16).reshape(SIZE)) * 500
FILES = {"image": "{}/*.png", "label": "{}/labels/*.png", "x": "{}/depth/*.png"}


def described(split: str) -> dict[str, str]:
    return {part: pattern.format(split) for part, pattern in FILES.items()}


def description(**changes: Any) -> dict[str, Any]:
    return {
        "classes": ["road", "car", "other"],
        "x": {"kind": "depth", "scale": 0.001},
        "train": described("train"),
        "val": described("val"),
    } | changes


def describe(folder: Path, **changes: Any) -> Path:
    (folder / "lix.yaml").write_text(yaml.safe_dump(description(**changes)))
    return folder


def write(root: Path) -> Path:
    for split, count in (("train", 3), ("val", 2)):
        for index in range(count):
            name = f"{index:02d}.png"
            save(root / split / name, np.full((*SIZE, 3), index, np.uint8))
            save(root / split / "labels" / name, (LABELS + index) % 3)
            save(root / split / "depth" / name, MILLIMETRES + np.uint16(index))
    return describe(root)
