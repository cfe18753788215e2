"""The engine over folders: options, partners, resuming, poses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lix.data.readers import read_array
from lix.data.x_files import read_description
from lix.streets import StreetPlan, write_streets
from lix.tools.depth import build_engine, make_depth
from tests.cli.test_cli import lix
from tests.tools.depth.conftest import one_sentence
from tests.tools.depth.lidar.scene import (
    BOARD,
    OPTIONS,
    WALL,
    calibration,
    cloud,
    write_calibration,
    write_frames,
)


def run(root: Path, output: str = "x", left: str = "image/*.png", **options: Any) -> Path:
    engine = build_engine("lidar", **(OPTIONS | options))
    return make_depth(root, engine, left=left, output=root / output).folder


def depth_of(path: Path) -> np.ndarray:
    return read_array(path) / 256


def test_depth_is_written_beside_its_meaning(tmp_path: Path) -> None:
    root = write_frames(tmp_path)
    folder = run(root)
    assert read_description(folder / "x.yaml").kind == "depth"
    depth = depth_of(folder / "image" / "1.png")
    assert depth[30, 40] == BOARD
    assert depth[30, 70] == WALL
    sparse = depth_of(run(root, "s", sparse=True) / "image" / "1.png")
    assert 0 < (sparse > 0).mean() < 0.95 < (depth > 0).mean()


def test_another_calibration_is_another_folder(tmp_path: Path) -> None:
    root = write_frames(tmp_path)
    run(root)
    write_calibration(root / "calib.yaml", calibration(above=0.1))
    with pytest.raises(ValueError, match="calibration_sha256") as error:
        run(root)
    one_sentence(error)


def test_a_missing_sweep_does_not_stop_the_others(tmp_path: Path) -> None:
    root = write_frames(tmp_path, ("0", "1", "2"))
    (root / "velodyne" / "1.bin").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 images failed .*no point cloud") as error:
        run(root)
    one_sentence(error)
    assert sorted(path.name for path in (root / "x" / "image").iterdir()) == ["0.png", "2.png"]


def test_calibrations_by_frame(tmp_path: Path) -> None:
    root = write_frames(tmp_path)
    (root / "calib").mkdir()
    for name, above in (("0", 0.0), ("1", 2.0)):
        write_calibration(root / "calib" / f"{name}.yaml", calibration(above))
    folder = run(root, calibration="calib/*.yaml")
    first, second = (read_array(folder / "image" / f"{n}.png") for n in (0, 1))
    assert not np.array_equal(first, second)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "wildcards": ({"points": "velodyne/*/*.bin"}, "differ in their wildcards"),
    "one sweep": ({"points": "velodyne/0.bin"}, "differ in their wildcards"),
    "calibrations": ({"calibration": "*/*.yaml"}, "differ in their wildcards"),
    "no calibration": ({"calibration": "no.yaml"}, "no.yaml is missing"),
    "sweeps": ({"sweeps": 2}, "--poses"),
    "both": ({"sparse": True, "guided": True}, "leave out one"),
    "poses": ({"poses": "calib.yaml"}, "two or more lines"),
    "no poses": ({"poses": "no.txt"}, "no.txt is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_options_are_one_sentence(name: str, tmp_path: Path) -> None:
    root = write_frames(tmp_path)
    with pytest.raises(ValueError, match=BAD[name][1]) as error:
        run(root, **BAD[name][0])
    one_sentence(error)
    assert not (root / "x").exists()


def test_the_command_needs_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_frames(tmp_path)
    command = ["data", "depth", str(root), "--engine", "lidar", "--left", "image/*.png"]
    assert lix(*command, "--calibration", "calib.yaml") == 1
    assert "needs --points" in capsys.readouterr().err
    assert lix(*command, "--calibration", "calib.yaml", "--points", "velodyne/*.bin") == 0
    assert (root / "x-lidar" / "image" / "0.png").is_file()


def drive(root: Path) -> Path:
    """Images at 10.0 s and 10.2 s, sweeps at 9.9 s and 10.1 s, on a car that drives at 10 m/s."""
    write_frames(root, ("10.0", "10.2"))
    for path in (root / "velodyne").iterdir():
        path.unlink()
    for time in (9.9, 10.1):
        points = cloud()
        points[:, 0] -= 10 * (time - 10)  # what stood 20 m ahead at 10 s
        points[int(time > 10) :: 2].tofile(root / "velodyne" / f"{time}.bin")
    lines = [f"{time} {10 * (time - 10):.3f} 0 0 0 0 0 1" for time in (9, 11)]
    (root / "poses.txt").write_text("# time x y z qx qy qz qw\n" + "\n".join(lines))
    return root


def test_sweeps_are_moved_to_the_moment_of_the_image(tmp_path: Path) -> None:
    root = drive(tmp_path)
    folder = run(root, poses="poses.txt", sweeps=2)
    for name, moved in (("10.0", 0), ("10.2", 2)):
        depth = depth_of(folder / "image" / f"{name}.png")
        assert depth[30, 40] == pytest.approx(BOARD - moved, abs=0.01)
        assert depth[30, 76] == pytest.approx(WALL - moved, abs=0.01)


def test_more_sweeps_give_more_points(tmp_path: Path) -> None:
    root = drive(tmp_path)
    shares = [
        (
            read_array(
                run(root, f"x{n}", poses="poses.txt", sweeps=n, sparse=True) / "image/10.2.png"
            )
            > 0
        ).mean()
        for n in (1, 2)
    ]
    assert shares[1] > 1.2 * shares[0]


def test_images_without_a_sweep_or_a_pose_near_them(tmp_path: Path) -> None:
    root = drive(tmp_path)
    black = Image.fromarray(np.zeros((60, 80, 3), np.uint8))
    black.save(root / "image" / "10.9.png")
    with pytest.raises(ValueError, match=r"10.9.png has no sweep within 0.5 s") as error:
        run(root, poses="poses.txt")
    one_sentence(error)
    (root / "image" / "10.9.png").unlink()
    text = (root / "poses.txt").read_text()
    (root / "poses.txt").write_text(text.replace("11 ", "9.95 "))
    with pytest.raises(ValueError, match=r"10\.2\.png: the poses reach") as error:
        run(root, "x2", poses="poses.txt")
    one_sentence(error)


@pytest.mark.slow
def test_depth_of_streets_is_the_true_one(tmp_path: Path) -> None:
    write_streets(tmp_path, StreetPlan(3, (188, 621), val_images=1), cameras=(0,), lidar=True)
    frames = "Scene*/*/frames"
    left = f"{frames}/rgb/Camera_0/rgb_*.jpg"
    folder = run(tmp_path, left=left, points=f"{frames}/lidar/lidar_*.bin")
    for path in folder.rglob("*.png"):
        depth = depth_of(path)
        name = path.as_posix().replace("/rgb", "/depth").replace("/x/", "/")
        truth = read_array(Path(name)) / 100
        land = truth < 655
        both = land & (depth > 0)
        error = np.abs(depth - truth)[both] / truth[both]
        assert both.sum() > 0.5 * land.sum()
        assert ((depth > 0) & ~land).mean() < 0.01
        assert np.median(error) < 0.005
        assert (error > 0.05).mean() < 0.08
