"""Poses between poses, and the times of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lix.tools.depth.lidar.poses import Poses, file_times, read_poses
from tests.tools.depth.conftest import one_sentence


def about_z(angle: float) -> list[float]:
    return [0, 0, np.sin(angle / 2), np.cos(angle / 2)]


def test_poses_between_poses() -> None:
    turns = np.array([about_z(0.0), about_z(0.4), [-v for v in about_z(0.8)]])
    poses = Poses(np.array([0.0, 1, 2]), np.array([[0.0, 0, 0], [10, 0, 0], [20, 4, 0]]), turns)
    for time, angle, place in (
        (0.5, 0.2, (5, 0, 0)),
        (1.5, 0.6, (15, 2, 0)),
        (2.1, 0.8, (20, 4, 0)),
    ):
        pose = poses.at(time)
        assert np.allclose(
            pose[:2, :2],
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]],
            atol=1e-4,
        )
        assert np.allclose(pose[:3, 3], place)
    moved = poses.moved(0, 1)
    assert np.allclose(poses.at(1) @ moved, poses.at(0))
    with pytest.raises(ValueError, match=r"reach from 0\.000 to 2\.000 s") as error:
        poses.at(3)
    one_sentence(error)


@pytest.mark.parametrize(
    "text", ["", "1 0 0 0 0 0 0 1", "1 2 3\n4 5 6", "a b", "0 0 0 0 0 0 0 2\n" * 2]
)
def test_files_without_poses(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(ValueError, match="two or more lines") as error:
        read_poses(tmp_path / "p.txt")
    one_sentence(error)


def files(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def test_times_of_names(tmp_path: Path) -> None:
    names = (
        "12.5.png",
        "1700000000.25.png",
        "1700000000250.png",
        "1700000000250000.png",
        "1700000000250000000.png",
    )
    times = file_times(files(tmp_path, *names))
    assert list(times.values()) == [12.5, *[pytest.approx(1700000000.25)] * 4]


def test_times_of_a_list(tmp_path: Path) -> None:
    paths = files(tmp_path / "image_02" / "data", "0000000001.png", "0000000000.png")
    listed = tmp_path / "image_02" / "timestamps.txt"
    listed.write_text("2011-09-26 13:02:25.964389445\n2011-09-26 13:02:26.064389445\n")
    times = file_times(paths)
    assert times[paths[0]] - times[paths[1]] == pytest.approx(0.1)
    assert times[paths[1]] == pytest.approx(1317042145.964389)
    listed.write_text("1.0\n")
    with pytest.raises(ValueError, match="one time for each of the 2 files") as error:
        file_times(paths)
    one_sentence(error)


def test_files_without_times(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="its name is not a number") as error:
        file_times(files(tmp_path, "a.png"))
    one_sentence(error)
