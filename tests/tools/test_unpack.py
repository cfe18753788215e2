"""NYUv2's `.mat` becomes folders that the loader reads."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from lix.core import errors
from lix.data.sets.nyuv2 import NYUv2
from lix.data.sets.parts.nyuv2_numbers import FRAMES, frames_of_test, merged_labels
from lix.tools.recognise import recognise
from lix.tools.unpack import unpack
from tests.cli.test_cli import lix
from tests.data.frames import plain
from tests.tools.mat_file import HEIGHT, WIDTH, write_mat


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    return write_mat(tmp_path / "nyu_depth_v2_labeled.mat")


def test_the_loader_reads_what_is_written(mat: Path, tmp_path: Path) -> None:
    root = tmp_path / "nyuv2"
    report = unpack(mat, root)
    assert report.startswith(f"{root}: 10 frames, 30 files written, 0 kept; train with --data.name")
    assert recognise(root) == "nyuv2"
    assert NYUv2(root).ids == ["2", "3", "4", "5", "6", "7", "9"]
    assert NYUv2(root, split="val").ids == ["0", "1", "8"]
    sample = NYUv2(root).read("4", with_x=True)
    assert sample.image.shape == (3, HEIGHT, WIDTH)
    assert sample.image[0, 0].tolist() == list(range(WIDTH))
    assert (plain(sample.x[0]) == 2.0).all()
    expected = [255, *(merged_labels()[178 * np.arange(1, HEIGHT)].astype(int) - 1)]
    assert sample.target[:, 0].tolist() == expected


def test_it_goes_on(mat: Path, tmp_path: Path) -> None:
    unpack(mat, tmp_path / "a")
    label = tmp_path / "a/Label/3.png"
    before = label.read_bytes()
    label.write_bytes(before[:20])
    (tmp_path / "a/RGB/5.png").unlink()
    steps: list[int] = []
    assert "2 files written, 28 kept" in unpack(
        mat, tmp_path / "a", progress=lambda done, total: steps.append(done)
    )
    assert label.read_bytes() == before
    assert steps == list(range(1, 11))


def test_all_894_labels_have_a_class() -> None:
    merged = merged_labels()
    assert sorted(set(merged.tolist())) == list(range(41))
    assert np.bincount(merged)[38:].tolist() == [68, 82, 707]
    assert len(set(frames_of_test())) == 654
    assert max(frames_of_test()) == FRAMES - 1


def test_what_is_wrong_is_said(mat: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    text = tmp_path / "other.mat"
    text.write_bytes(b"MATLAB 5.0 MAT-file")
    assert lix("data", "unpack", text, tmp_path / "out") == 1
    assert "other.mat cannot be read (" in capsys.readouterr().err.replace("\n", "")
    with pytest.raises(FileNotFoundError, match=r"is missing; name the file nyu_depth_v2_labeled"):
        unpack(tmp_path / "nothing", tmp_path / "out")
    with h5py.File(mat, "r+") as file:
        file["labels"][4, 0, 0] = 895
    with pytest.raises(ValueError, match=r"has the label 895, above 894; download .* again\.$"):
        unpack(mat, tmp_path / "out")
    with h5py.File(mat, "r+") as file:
        del file["depths"]
    with pytest.raises(ValueError, match=r"has no array depths; download .* again\.$"):
        unpack(mat, tmp_path / "out")


def test_without_h5py_it_says_what_to_install(
    mat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda module: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "lix\[nyuv2\]"$'):
        unpack(mat, tmp_path / "out")


def test_from_the_command_line(mat: Path, tmp_path: Path) -> None:
    assert lix("data", "unpack", mat, tmp_path / "out") == 0
    with Image.open(tmp_path / "out/Depth/0.png") as depth:
        assert np.array(depth).dtype == np.uint16
