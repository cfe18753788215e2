"""nuScenes' tables: sweeps by scene and time, sensors on a vehicle that turns and drives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lix.data.readers import read_array
from tests.tools.depth.conftest import one_sentence
from tests.tools.depth.lidar.scene import BOARD, INTRINSICS, SIZE, WALL, cloud
from tests.tools.depth.lidar.test_engine import run

OPTIONS = {"points": "samples/LIDAR_TOP/*.pcd.bin", "calibration": "v1.0-mini"}
LEFT = "samples/CAM_FRONT/*.png"
SPEED = 10.0
NORTH = [0.5**0.5, 0, 0, 0.5**0.5]
"""Quaternion w, x, y, z of a vehicle whose front, its x, looks along the world's y."""
CAMERA_TO_VEHICLE = [0.5, -0.5, 0.5, -0.5]
"""The camera looks along z, x is right and y down; the vehicle's x is ahead, y left, z up."""


def recording(row: dict[str, Any], scene: str, seconds: float, channel: str) -> dict[str, Any]:
    vehicle = {
        "token": f"{scene} {seconds} {channel}",
        "rotation": NORTH,
        "translation": [300.0, SPEED * seconds, 1.0],
    }
    row["ego_pose"].append(vehicle)
    suffix = "png" if channel == "CAM_FRONT" else "pcd.bin"
    file = {
        "filename": f"samples/{channel}/{scene}__{seconds}.{suffix}",
        "timestamp": int(seconds * 1e6),
        "sample_token": f"sample of {scene}",
        "ego_pose_token": vehicle["token"],
        "calibrated_sensor_token": channel,
    }
    row["sample_data"].append(file)
    return file


def write_points(path: Path, points: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rings = np.zeros((len(points), 1), np.float32)
    np.concatenate([points, rings], axis=1).tofile(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A scene with an image at 10.0 s and sweeps at 9.9 and 10.2 s; another has one at 10.0 s."""
    tables: dict[str, list[dict[str, Any]]] = {
        "sample": [{"token": f"sample of {s}", "scene_token": s} for s in ("a", "b")],
        "sample_data": [],
        "calibrated_sensor": [
            {
                "token": "CAM_FRONT",
                "rotation": CAMERA_TO_VEHICLE,
                "translation": [1.0, 0, 1.5],
                "camera_intrinsic": INTRINSICS.tolist(),
            },
            {
                "token": "LIDAR_TOP",
                "rotation": [1.0, 0, 0, 0],
                "translation": [1.0, 0, 1.5],
                "camera_intrinsic": [],
            },
        ],
        "ego_pose": [],
    }
    image = tmp_path / recording(tables, "a", 10.0, "CAM_FRONT")["filename"]
    image.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(image)
    for scene, seconds, points in (
        ("a", 9.9, cloud()),
        ("a", 10.2, np.tile([[7.0, 3, 0, 0]], (4, 1)).astype(np.float32)),
        ("b", 10.0, np.zeros((4, 4), np.float32)),
    ):
        write_points(tmp_path / recording(tables, scene, seconds, "LIDAR_TOP")["filename"], points)
    (tmp_path / "v1.0-mini").mkdir()
    for name, rows in tables.items():
        (tmp_path / "v1.0-mini" / f"{name}.json").write_text(json.dumps(rows))
    return tmp_path


def depth(root: Path, output: str = "x", **options: Any) -> np.ndarray:
    folder = run(root, output, LEFT, **(OPTIONS | options))
    return read_array(folder / "samples/CAM_FRONT/a__10.0.png") / 256


def test_the_nearest_sweep_of_the_scene_is_moved_to_the_image(root: Path) -> None:
    found = depth(root)
    driven = 0.1 * SPEED
    assert found[30, 40] == pytest.approx(BOARD - driven, abs=0.01)
    assert found[30, 75] == pytest.approx(WALL - driven, abs=0.01)


def test_more_sweeps_come_from_where_the_vehicle_was(root: Path) -> None:
    seen = depth(root, sweeps=2, sparse=True, calibration=str(root / "v1.0-mini"))
    assert 9.0 in np.unique(seen.round(2))  # 7 m ahead of where the vehicle is 0.2 s later


def test_wrong_options_are_a_sentence(root: Path) -> None:
    for number, (options, said) in enumerate(
        (
            ({"poses": "poses.txt"}, "leave out --poses"),
            ({"points": "samples/LIDAR_BACK/*.pcd.bin"}, "correct --points"),
        )
    ):
        with pytest.raises(ValueError, match=said) as error:
            depth(root, str(number), **options)
        one_sentence(error)


@pytest.mark.parametrize(
    ("name", "entries", "said"),
    [
        ("ego_pose", {"token": "another"}, r"ego_pose\.json .* no row 'a "),
        ("sample_data", {"filename": "other.png"}, "name the version of nuScenes"),
        ("calibrated_sensor", {"rotation": [2.0, 0, 0, 0]}, "has no pose"),
        ("calibrated_sensor", {"rotation": "north"}, r"calibrated_sensor\.json .* no pose"),
        ("calibrated_sensor", {"camera_intrinsic": []}, "has no intrinsics"),
        ("sample", {"token": None}, "sample.json .* no row 'sample of a'"),
    ],
)
def test_wrong_tables_are_a_sentence(
    root: Path, name: str, entries: dict[str, Any], said: str
) -> None:
    path = root / "v1.0-mini" / f"{name}.json"
    path.write_text(json.dumps([row | entries for row in json.loads(path.read_text())]))
    with pytest.raises(ValueError, match=said) as error:
        depth(root)
    one_sentence(error)


@pytest.mark.parametrize("content", ['{"token": 3}', "[3]", "[", ""])
def test_what_is_no_table_is_a_sentence(root: Path, content: str) -> None:
    (root / "v1.0-mini" / "sample.json").write_text(content)
    with pytest.raises(ValueError, match="is not a whole table of nuScenes") as error:
        depth(root)
    one_sentence(error)
