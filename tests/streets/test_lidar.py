"""The simulated LiDAR: its points lie on the surfaces that the camera sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from lix.streets import StreetPlan, write_streets
from lix.streets.lidar import Lidar, sweep
from lix.streets.raycast import cast
from lix.streets.street import Street, draw_street

PLAN = StreetPlan(2, (188, 621), seed=3, val_images=1)
EXACT = Lidar(rings=32, step=0.4, noise=0.0, dropout=(0.0, 0.0))


@pytest.fixture(scope="module")
def street() -> Street:
    return draw_street(PLAN.generators(0)[1], PLAN.kind, PLAN.size)


def measured(street: Street, lidar: Lidar) -> np.ndarray:
    return sweep(street, lidar, PLAN.lidar_generator(0))


def test_points_have_the_depth_of_the_image(street: Street) -> None:
    beside = replace(EXACT, offset=(0.0, 0.0, 0.0))
    points = measured(street, beside)
    matrix = beside.lidar_to_camera
    x, y, z = matrix[:3, :3] @ points[:, :3].T + matrix[:3, 3:]
    camera = street.camera
    columns = np.rint(camera.focal * x / z + camera.centre[0]).astype(int)
    rows = np.rint(camera.focal * y / z + camera.centre[1]).astype(int)
    height, width = PLAN.size
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    assert inside.sum() > 2000
    depth = cast(street.scene, street.road, camera).depth[rows[inside], columns[inside]]
    off = np.abs(depth - z[inside]) / z[inside]
    assert np.median(off) < 0.01
    assert (off < 0.05).mean() > 0.9
    assert (points[:, 3] == 0).all()


def test_noise_reach_and_losses(street: Street) -> None:
    exact = measured(street, EXACT)
    ranges = np.linalg.norm(exact[:, :3], axis=1)
    assert ranges.max() < EXACT.reach
    noisy = np.linalg.norm(measured(street, replace(EXACT, noise=0.1))[:, :3], axis=1)
    assert 0.09 < np.std(noisy - ranges) < 0.11
    assert len(measured(street, replace(EXACT, dropout=(0.5, 0.5)))) == pytest.approx(
        len(exact) / 2, rel=0.1
    )
    near = measured(street, replace(EXACT, reach=20.0))
    assert 0 < len(near) < len(exact)


def test_files_are_kept_and_say_how_to_project(tmp_path: Path) -> None:
    plan = StreetPlan(2, (48, 160), val_images=1)
    write_streets(tmp_path, plan, cameras=(0,))
    images = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    write_streets(tmp_path, plan, cameras=(0,), lidar=True)
    assert {path: path.stat().st_mtime_ns for path in images} == images
    sweeps = sorted(tmp_path.glob("Scene01/*/frames/lidar/*.bin"), key=lambda p: p.stem)
    assert [path.stem for path in sweeps] == ["lidar_00000", "lidar_00001"]
    content = sweeps[0].read_bytes()
    points = np.frombuffer(content, np.float32).reshape(-1, 4)
    assert points[:, 0].min() > 0
    sweeps[0].unlink()
    write_streets(tmp_path, plan, cameras=(0,), lidar=True)
    assert sweeps[0].read_bytes() == content
    calibration = yaml.safe_load((tmp_path / "calib.yaml").read_text())
    assert calibration["intrinsics"][0] == [pytest.approx(plan.focal), 0.0, 79.5]
    assert np.allclose(calibration["lidar_to_camera"], Lidar().lidar_to_camera)
