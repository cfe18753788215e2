"""The contract of engines that make depth, and their names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import unknown
from lix.data.x_files import XFiles

ENGINES = {
    "sgbm": "lix.tools.depth.sgbm:SGBM",
    "depth-anything": "lix.tools.depth.depth_anything:DepthAnything",
    "onnx": "lix.tools.depth.onnx:OnnxModel",
    "lidar": "lix.tools.depth.lidar.engine:Lidar",
}
"""Names → classes, which are imported when they are used."""

DISPARITY = XFiles(kind="disparity", scale=1 / 256, invalid=(0,), dtype="uint16")
"""Disparity as KITTI stores it."""
DEPTH = XFiles(kind="depth", scale=1 / 256, invalid=(0,), dtype="uint16")
"""Depth in metres as KITTI stores it."""
INVERSE_DEPTH = XFiles(kind="inverse_depth", scale=1 / 65535, invalid=(0,), dtype="uint16")
"""Inverse depth up to a scale and a shift, which differ between images."""
STORED = {"disparity": DISPARITY, "depth": DEPTH, "inverse_depth": INVERSE_DEPTH}
"""The format in which each kind is written; numbers above 65535 are stored as 65535."""


class Engine(Protocol):
    """A function that makes X of an image or of a rectified stereo pair."""

    @property
    def name(self) -> str:
        """Key of the engine in `ENGINES`."""

    @property
    def files(self) -> XFiles:
        """Format of the engine's values; `kind` is a key of `STORED`."""

    @property
    def stereo(self) -> bool:
        """Whether the engine needs the right image."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings on which values depend, in JSON's types; a folder of X has one set of them."""

    def __call__(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """Make X of the left image.

        Args:
            left: (H, W, 3) RGB.
            right: image of the same shape; only for stereo engines.

        Returns:
            (H, W) in pixels, metres or, for inverse depth, any unit; NaN = invalid.

        Raises:
            ValueError: the engine cannot take this image; the sentence does not name the image.
        """


class Recording(Protocol):
    """Recorded data next to a set of images."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the recording, as `Engine.settings`."""

    def __call__(self, image: Path) -> NDArray[np.float32]:
        """Make X of an image, (H, W) as `Engine` does.

        Raises:
            DataError: a file is missing or cannot be used.
        """


@runtime_checkable
class RecordingEngine(Protocol):
    """A function that makes X of files that belong to images, such as point clouds."""

    @property
    def name(self) -> str:
        """Key of the engine in `ENGINES`."""

    @property
    def files(self) -> XFiles:
        """Format of the engine's values; `kind` is a key of `STORED`."""

    @property
    def stereo(self) -> bool:
        """False."""

    def open(self, root: Path, pattern: str, images: Sequence[Path]) -> Recording:
        """Find what belongs to the images below `root` that fit a glob pattern.

        Raises:
            ValueError: options that do not fit the pattern, or files that cannot be read.
        """


def build_engine(name: str, **options: Any) -> Engine | RecordingEngine:
    """Build an engine by name.

    Args:
        name: a key of `ENGINES`.
        options: options of the engine; None stands for the default.

    Raises:
        ValueError: an unknown name or option, a missing option, or one that the engine refuses.
        ModuleNotFoundError: the extra `depth` is not installed.

    >>> build_engine("sgbm", fill=False).files.kind
    'disparity'
    """
    if name not in ENGINES:
        raise ValueError(unknown("engine", name, list(ENGINES)))
    module, _, attribute = ENGINES[name].partition(":")
    engine = getattr(import_module(module), attribute)
    chosen = {option: value for option, value in options.items() if value is not None}
    parameters = inspect.signature(engine).parameters
    for option in chosen:
        if option not in parameters:
            raise ValueError(unknown(f"option of {name}", option, list(parameters)))
    for option, parameter in parameters.items():
        if parameter.default is parameter.empty and option not in chosen:
            raise ValueError(f"The engine {name} needs --{option}; see `lix data depth --help`.")
    if chosen.get("threads", 1) < 1:
        raise ValueError(f"threads is {chosen['threads']}; choose at least 1.")
    built: Engine | RecordingEngine = engine(**chosen)
    return built
