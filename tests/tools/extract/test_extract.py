"""Pairs of bags in every format, against the truth of the simulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from lix.data import build_dataset
from lix.data.readers import read_array
from lix.tools.extract.bag import open_bag
from lix.tools.extract.frames import find_transform
from lix.tools.extract.run import Options, extract
from tests.cli.test_cli import lix
from tests.tools.depth.conftest import one_sentence
from tests.tools.extract.bags import LIDAR_MODEL, START, Drive, matrix, views, write_bag

FORMATS = ("drive.bag", "drive_mcap", "drive_db")
SHORT = Drive(frames=3)


def depth_of(path: Path) -> np.ndarray:
    values = read_array(path) / 256
    return np.where(values > 0, values, np.nan)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".png", ".jpg"))


def assert_near(found: np.ndarray, truth: np.ndarray, share: float = 0.9) -> None:
    both = np.isfinite(found) & np.isfinite(truth)
    assert both.sum() > 0.3 * np.isfinite(truth).sum()
    error = np.abs(found - truth)[both] / truth[both]
    assert np.median(error) < 0.02
    assert (error < 0.1).mean() > share


@pytest.mark.parametrize("name", FORMATS)
def test_points_become_depth_of_the_image(name: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / name, SHORT)
    report = extract(bag, tmp_path / "out")
    assert (report.written, report.kept, report.unpaired, report.still) == (3, 0, 0, 0)
    stamps = [str(START + round(index * 1e8)) for index in range(3)]
    assert names(tmp_path / "out" / "rgb") == names(tmp_path / "out" / "depth")
    for stamp, (rgb, depth, _) in zip(stamps, views(SHORT), strict=True):
        assert np.array_equal(read_array(tmp_path / "out" / "rgb" / f"{stamp}.png", "RGB"), rgb)
        assert_near(depth_of(tmp_path / "out" / "depth" / f"{stamp}.png"), depth)


def test_a_single_file_of_a_ros_2_bag(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "drive_mcap", SHORT)
    assert extract(bag / "drive_mcap.mcap", tmp_path / "out").written == 3


def test_depth_images_are_registered_to_the_colour_camera(tmp_path: Path) -> None:
    drive = replace(SHORT, x="depth", baseline=0.3, x_delay=-0.02, jpeg=True)
    extract(write_bag(tmp_path / "d_mcap", drive), tmp_path / "out")
    truth = views(replace(drive, baseline=0.0))
    beside = views(drive)
    for path, (rgb, depth, _), (_, other, _) in zip(
        sorted((tmp_path / "out" / "depth").glob("*.png")), truth, beside, strict=True
    ):
        found = depth_of(path)
        assert_near(found, depth)
        wrong = np.abs(other - depth) > 0.1 * depth
        assert (
            np.nanmean(np.abs(found - depth)[wrong]) < np.nanmean(np.abs(other - depth)[wrong]) / 2
        )
        image = read_array(path.parents[1] / "rgb" / f"{path.stem}.jpg", "RGB")
        assert np.abs(image.astype(float) - rgb).mean() < 8


def test_a_depth_camera_in_place_of_the_colour_camera_is_taken_as_it_is(tmp_path: Path) -> None:
    drive = replace(SHORT, frames=1, x="depth")
    extract(write_bag(tmp_path / "d_mcap", drive), tmp_path / "out")
    (path,) = (tmp_path / "out" / "depth").glob("*.png")
    found, (_, truth, _) = depth_of(path), views(drive)[0]
    assert np.array_equal(np.isfinite(found), np.isfinite(truth))
    assert np.nanmax(np.abs(found - truth)) < 0.01


def test_images_with_distortion_are_rectified(tmp_path: Path) -> None:
    bent = (-0.3, 0.1, 0.0, 0.0, 0.0)
    drive = replace(SHORT, frames=1, distortion=bent)
    extract(write_bag(tmp_path / "d_mcap", drive), tmp_path / "out")
    (path,) = (tmp_path / "out" / "rgb").glob("*.png")
    rgb = views(drive)[0][0]
    expected = cv2.undistort(rgb, matrix(drive), np.array(bent))
    assert np.abs(read_array(path, "RGB").astype(float) - expected).mean() < 1
    assert np.abs(expected.astype(float) - rgb).mean() > 3


@pytest.mark.slow
def test_what_is_left_out(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "d_mcap", Drive(frames=7))
    assert extract(bag, tmp_path / "a", Options(every=0.2)).written == 4
    still = write_bag(tmp_path / "s_mcap", Drive(frames=4, speed=0.0))
    report = extract(still, tmp_path / "b", Options(min_motion=1.0))
    assert (report.written, report.still) == (1, 3)
    assert extract(bag, tmp_path / "c", Options(min_motion=1.0)).written == 7
    with pytest.raises(ValueError, match=r"within 0\.001 s") as error:
        extract(bag, tmp_path / "d", Options(max_gap=0.001))
    one_sentence(error)


def test_a_broken_image_does_not_stop_the_others(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "d_mcap", replace(SHORT, jpeg=True, broken=(1,)))
    with pytest.raises(
        ValueError, match=f"1 of 3 pairs .* others are done.* {START + 10**8} ns"
    ) as error:
        extract(bag, tmp_path / "out")
    one_sentence(error)
    assert len(names(tmp_path / "out" / "rgb")) == 2
    assert (tmp_path / "out" / "drive.yaml").is_file()
    bad = write_bag(tmp_path / "b_mcap", replace(SHORT, jpeg=True, broken=(0, 1, 2)))
    with pytest.raises(ValueError, match="3 of 3 pairs cannot be used") as error:
        extract(bad, tmp_path / "none")
    one_sentence(error)


def test_a_second_run_continues_the_first(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "d_mcap", SHORT)
    extract(bag, tmp_path / "out")
    first = sorted((tmp_path / "out" / "depth").glob("*.png"))
    first[1].unlink()
    first[2].write_bytes(first[2].read_bytes()[:-5])  # what a full disk leaves
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    report = extract(bag, tmp_path / "out")
    assert (report.written, report.kept) == (2, 1)
    assert first[0].stat().st_mtime_ns == times[first[0]]
    for motion in (0.0, 0.5):
        assert extract(bag, tmp_path / "out", Options(min_motion=motion)).kept == 3
    with pytest.raises(ValueError, match="sparse") as error:
        extract(bag, tmp_path / "out", Options(sparse=True))
    one_sentence(error)


def test_the_folder_is_a_drive_that_training_reads(tmp_path: Path) -> None:
    extract(write_bag(tmp_path / "d_mcap", SHORT), tmp_path / "out")
    data = build_dataset("folder", tmp_path / "out" / "drive.yaml", False)
    sample = data.read(data.ids[0], with_x=True)
    assert len(data) == 3
    assert data.x[0].kind == "depth"
    assert sample.intrinsics is not None
    assert np.allclose(sample.intrinsics, matrix(SHORT), atol=1e-3)
    folder = build_dataset("folder", tmp_path / "out" / "rgb", False, x=tmp_path / "out" / "depth")
    assert folder.read(folder.ids[0], with_x=True).x[0].shape[-2:] == SHORT.size


def test_transforms_are_chained(tmp_path: Path) -> None:
    with open_bag(write_bag(tmp_path / "d.bag", replace(SHORT, frames=1))) as bag:
        found = find_transform(bag, "lidar", "camera")
        assert found is not None
        assert np.allclose(found, LIDAR_MODEL.lidar_to_camera, atol=1e-6)
        assert find_transform(bag, "lidar", "moon") is None


def test_points_are_moved_to_the_time_of_the_image(tmp_path: Path) -> None:
    """The sweep is 40 ms older than the image, 1.6 m at 40 m/s."""
    drive = replace(SHORT, frames=2, speed=40.0, x_delay=-0.04)
    bag = write_bag(tmp_path / "d_mcap", drive)
    off = []
    for name, odometry in (("still", None), ("moved", "/odometry")):
        extract(bag, tmp_path / name, Options(odometry=odometry))
        files = sorted((tmp_path / name / "depth").glob("*.png"))
        pairs = [(depth_of(p), depth) for p, (_, depth, _) in zip(files, views(drive), strict=True)]
        errors = np.stack([np.abs(found - depth) / depth for found, depth in pairs])
        off.append((errors[np.isfinite(errors)] > 0.05).mean())
    assert off[1] < off[0] / 2
    with pytest.raises(ValueError, match="Unknown topic of odometry") as error:
        extract(bag, tmp_path / "no", Options(odometry="/x"))
    one_sentence(error)


def test_a_calibration_in_place_of_the_bags_own(tmp_path: Path) -> None:
    drive = replace(SHORT, frames=2, skip=("info", "tf"))
    bag = write_bag(tmp_path / "d_mcap", drive)
    with pytest.raises(ValueError, match="no CameraInfo of /camera/image_raw") as error:
        extract(bag, tmp_path / "a")
    one_sentence(error)
    calibration = tmp_path / "calib.yaml"
    matrices = {"intrinsics": matrix(drive), "lidar_to_camera": LIDAR_MODEL.lidar_to_camera}
    calibration.write_text(yaml.safe_dump({k: v.tolist() for k, v in matrices.items()}))
    extract(bag, tmp_path / "b", Options(calibration=calibration))
    depths = sorted((tmp_path / "b" / "depth").glob("*.png"))
    for path, (_, depth, _) in zip(depths, views(drive), strict=True):
        assert_near(depth_of(path), depth)
    without = write_bag(tmp_path / "t_mcap", replace(drive, skip=("tf",)))
    with pytest.raises(ValueError, match="no transform from lidar to camera") as error:
        extract(without, tmp_path / "c")
    one_sentence(error)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "d_mcap", SHORT)
    assert lix("data", "extract", bag, "--list") == 0
    listed = capsys.readouterr().out
    assert "/camera/image_raw" in listed
    assert "100 %" in listed
    assert "10.0 ms" in listed
    assert lix("data", "extract", bag, tmp_path / "out", "--every", "0.2s", "--guided") == 0
    assert "2 pairs written" in capsys.readouterr().out
    for wrong, words in (
        ([tmp_path / "no.bag", tmp_path / "o"], "is missing"),
        ([bag], "Name the folder"),
        ([bag, tmp_path / "o", "--every", "fast"], "--every is a time"),
        ([bag, tmp_path / "o", "--x", "/lidar/pionts"], "Did you mean '/lidar/points'"),
        ([bag, tmp_path / "o", "--image", "/x"], "Unknown topic of image"),
        ([bag, tmp_path / "o", "--max-gap", "-1"], "give 0 or more"),
    ):
        assert lix("data", "extract", *wrong) == 1
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_bags_are_one_sentence(name: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / name, replace(SHORT, frames=2))
    file = bag if bag.is_file() else next(path for path in bag.iterdir() if path.suffix != ".yaml")
    content = file.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"no bag at all"):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="not a bag that can be read") as error:
            extract(bag, tmp_path / "out")
        one_sentence(error)


def test_other_files_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "a.txt", tmp_path / "folder"):
        with pytest.raises(ValueError, match="not a bag that can be read") as error:
            extract(path, tmp_path / "out")
        one_sentence(error)


def test_bags_without_what_is_needed(tmp_path: Path) -> None:
    topics: dict[str, Any] = {**Drive().topics, "image": "/only/info"}
    bag = write_bag(tmp_path / "d_mcap", replace(SHORT, frames=1, topics=topics, x="none"))
    with pytest.raises(ValueError, match="has none; record one with --x") as error:
        extract(bag, tmp_path / "out")
    one_sentence(error)


def test_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lix.core.errors.find_spec", lambda module: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "lix\[ros\]"'):
        extract(tmp_path / "a.bag", tmp_path / "out")


def test_a_picture_is_a_whole_file(tmp_path: Path) -> None:
    extract(write_bag(tmp_path / "d_mcap", replace(SHORT, jpeg=True)), tmp_path / "out")
    for path in (tmp_path / "out" / "rgb").iterdir():
        with Image.open(path) as image:
            assert image.size == SHORT.size[::-1]
