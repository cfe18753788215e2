"""Virtual KITTI 2's folders and files."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from lix.core.files import atomic_write
from lix.core.json_text import parse_json
from lix.streets.labels import COLOURS
from lix.streets.plan import StreetPlan
from lix.streets.render import Frame

RECORD = "streets.json"
"""File that holds the settings of a folder's streets."""
QUALITY = 95
"""Quality of JPEG files."""
MODALITIES = {"rgb": "rgb_{:05d}.jpg", "depth": "depth_{:05d}.png",
               "classSegmentation": "classgt_{:05d}.png"}  # fmt: skip


def frame_paths(root: Path, plan: StreetPlan, index: int, camera: int) -> dict[str, Path]:
    """Paths of one frame's files by modality."""
    frames = root / plan.scene / plan.variation(index) / "frames"
    return {
        modality: frames / modality / f"Camera_{camera}" / name.format(index)
        for modality, name in MODALITIES.items()
    }


def write_frame(root: Path, plan: StreetPlan, index: int, frame: Frame) -> None:
    """Write one camera's files, each complete or not at all."""
    arrays: dict[str, NDArray[Any]] = {
        "rgb": frame.rgb,
        "depth": frame.depth,
        "classSegmentation": frame.classes,
    }
    for modality, path in frame_paths(root, plan, index, frame.camera).items():
        _write(path, _encode(arrays[modality], path.suffix))


def sweep_path(root: Path, plan: StreetPlan, index: int) -> Path:
    """Path of a street's point cloud."""
    frames = root / plan.scene / plan.variation(index) / "frames"
    return frames / "lidar" / f"lidar_{index:05d}.bin"


def write_sweep(path: Path, points: NDArray[np.float32]) -> None:
    """Write points (N, 4) as KITTI does: float32, without a header."""
    _write(path, points.astype("<f4").tobytes())


def write_calibration(root: Path, plan: StreetPlan, lidar_to_camera: NDArray[np.float64]) -> None:
    """Write `calib.yaml`, which `lix data depth --engine lidar` reads."""
    v, u = ((side - 1) / 2 for side in plan.size)
    rows = [[plan.focal, 0.0, u], [0.0, plan.focal, v], [0.0, 0.0, 1.0]]
    matrices = {"intrinsics": rows, "lidar_to_camera": lidar_to_camera.tolist()}
    text = yaml.safe_dump(matrices, sort_keys=False, default_flow_style=None)
    _write(root / "calib.yaml", text.encode())


def claim(root: Path, plan: StreetPlan) -> None:
    """Mark a folder as the place of a plan's streets.

    Raises:
        ValueError: the folder holds streets of another plan, or another data set.
    """
    record = root / RECORD
    if record.exists():
        try:
            stored = dict(parse_json(record.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise ValueError(
                f"{record} is damaged, so it is unknown which streets these are; choose another "
                "folder."
            ) from None
        other = [f"{k} {stored.get(k)!r}" for k, v in plan.record().items() if stored.get(k) != v]
        if other:
            raise ValueError(
                f"{root} holds other streets ({', '.join(other)}); choose another folder, "
                "or use the same settings to continue these."
            )
    elif any(root.glob("Scene*")):
        raise ValueError(f"{root} holds another data set; choose another folder for the streets.")
    else:
        _write(record, (json.dumps(plan.record(), indent=2) + "\n").encode())


def write_lists(root: Path, plan: StreetPlan) -> None:
    """Write train.txt, val.txt and, next to the frames, colors.txt and intrinsic.txt."""
    variations = [plan.variation(index) for index in range(plan.images)]
    ids = [f"{plan.scene}/{v}/Camera_0/{i:05d}" for i, v in enumerate(variations)]
    split = plan.images - plan.num_val
    _write_lines(root / "train.txt", ids[:split])
    _write_lines(root / "val.txt", ids[split:])
    colours = [f"{name} {r} {g} {b}" for name, (r, g, b) in COLOURS.items()]
    v, u = ((side - 1) / 2 for side in plan.size)
    matrix = f"{plan.focal:.7g} {plan.focal:.7g} {u:g} {v:g}"
    for variation in sorted(set(variations)):
        folder = root / plan.scene / variation
        _write_lines(folder / "colors.txt", ["Category r g b", *colours])
        frames = [index for index, name in enumerate(variations) if name == variation]
        lines = [f"{index} {camera} {matrix}" for index in frames for camera in (0, 1)]
        header = "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]"
        _write_lines(folder / "intrinsic.txt", [header, *lines])


def _encode(array: NDArray[Any], suffix: str) -> bytes:
    buffer = BytesIO()
    image = Image.fromarray(array)
    if suffix == ".jpg":
        image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    else:
        image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _write_lines(path: Path, lines: list[str]) -> None:
    _write(path, "".join(line + "\n" for line in lines).encode())


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as part:
        part.write_bytes(content)
