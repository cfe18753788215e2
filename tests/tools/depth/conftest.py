"""Stereo pairs with the truth, and a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lix.tools.depth.engine import DISPARITY

LEFT = "Scene*/*/frames/rgb/Camera_0/rgb_*.jpg"
RIGHT = "Scene*/*/frames/rgb/Camera_1/rgb_*.jpg"
SIDES = {"left": "left/*/*.png", "right": "right/*/*.png"}


class Fake:
    """A stereo engine that is done at once: the disparity is the red of the left image."""

    name = "fake"
    stereo = True
    files = DISPARITY

    def __init__(self, strength: int = 1) -> None:
        self.settings: dict[str, Any] = {"strength": strength}
        self.calls = 0

    def __call__(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        self.calls += 1
        if left.max() == 255:
            raise ValueError("it is too bright; dim it.")
        return left[..., 0].astype(np.float32)


class Mono(Fake):
    name = "mono"
    stereo = False


def write(path: Path, value: int, size: tuple[int, int] = (6, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three pairs in left/DRIVE/N.png and right/DRIVE/N.png."""
    for number in (1, 2, 3):
        for side in ("left", "right"):
            write(tmp_path / "set" / side / "drive" / f"{number}.png", 10 * number)
    return tmp_path / "set"


@pytest.fixture(scope="session")
def stereo_streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 streets of 120 x 400, seen by both cameras."""
    from lix.streets import StreetPlan, write_streets

    root = tmp_path_factory.mktemp("stereo")
    write_streets(root, StreetPlan(images=6, val_images=1, size=(120, 400)))
    return root


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message
