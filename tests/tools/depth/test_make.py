"""Folders of X: which images, what is written, what a second run does, what goes wrong."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from lix.data.sets.folder import Folder
from lix.data.sets.vkitti2 import VKITTI2
from lix.data.x_files import read_description
from lix.tools.depth import build_engine, make_depth
from lix.tools.depth.engine import DEPTH, DISPARITY, ENGINES, INVERSE_DEPTH
from lix.tools.depth.make import stored
from tests.cli.test_cli import lix
from tests.data.frames import read
from tests.tools.depth.conftest import LEFT, RIGHT, SIDES, Fake, Mono, one_sentence, write


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_folder_mirrors_the_left_images(pairs: Path) -> None:
    calls: list[tuple[int, int]] = []
    made = make_depth(pairs, Fake(), **SIDES, progress=lambda *state: calls.append(state))
    assert (made.folder, made.written, made.kept, made.empty) == (pairs / "x-fake", 3, 0, ())
    files = [f"left/drive/{n}.png" for n in (1, 2, 3)]
    assert names(made.folder) == ["engine.json", *files, "x.yaml"]
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]
    with Image.open(made.folder / files[1]) as picture:
        assert picture.mode == "I;16"
        assert (np.asarray(picture) == 20 * 256).all()
    described = yaml.safe_load((made.folder / "x.yaml").read_text())
    assert described == {"kind": "disparity", "scale": "1/256", "invalid": [0], "dtype": "uint16"}


def test_second_run_makes_only_what_is_missing(pairs: Path) -> None:
    folder = make_depth(pairs, Fake(), **SIDES).folder
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.png")}
    (folder / "left/drive/2.png").unlink()
    engine = Fake()
    made = make_depth(pairs, engine, **SIDES)
    assert (made.written, made.kept, engine.calls) == (1, 2, 1)
    changed = {p.name for p, time in before.items() if p.stat().st_mtime_ns != time}
    assert changed == {"2.png"}
    make_depth(pairs, engine, **SIDES)
    assert engine.calls == 1


def test_other_settings_do_not_mix(pairs: Path) -> None:
    folder = make_depth(pairs, Fake(1), **SIDES).folder
    with pytest.raises(ValueError, match="strength 1") as error:
        make_depth(pairs, Fake(2), **SIDES)
    one_sentence(error)
    with pytest.raises(ValueError, match="engine 'fake'") as error:
        make_depth(pairs, Mono(), left=SIDES["left"], output=folder)
    one_sentence(error)
    (folder / "engine.json").write_text("{")
    with pytest.raises(ValueError, match="damaged") as error:
        make_depth(pairs, Fake(1), **SIDES)
    one_sentence(error)
    (folder / "engine.json").unlink()
    with pytest.raises(ValueError, match="did not write") as error:
        make_depth(pairs, Fake(1), **SIDES)
    one_sentence(error)


def test_bad_images_do_not_lose_the_others(pairs: Path) -> None:
    write(pairs / "left/drive/4.png", 1)  # no right image
    write(pairs / "left/drive/5.png", 1)
    write(pairs / "right/drive/5.png", 1, size=(6, 7))
    write(pairs / "left/drive/6.png", 255)  # refused by the engine
    write(pairs / "right/drive/6.png", 1)
    (pairs / "left/drive/1.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="4 of 6 images failed") as error:
        make_depth(pairs, Fake(), **SIDES)
    assert "…" in one_sentence(error)
    assert names(pairs / "x-fake/left") == ["drive/2.png", "drive/3.png"]
    for number, words in [
        (1, "cannot be read"),
        (4, "no right"),
        (5, "6x8 and 6x7"),
        (6, "bright"),
    ]:
        with pytest.raises(ValueError, match=words) as error:
            make_depth(pairs, Fake(), left=f"left/*/{number}.png", right=f"right/*/{number}.png")
        assert f"{number}.png" in one_sentence(error)


def test_full_disk_is_an_os_error(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", no_room)
        with pytest.raises(OSError, match="No space left on device") as error:
            make_depth(pairs, Fake(), **SIDES)
    one_sentence(error)
    assert names(pairs / "x-fake") == ["engine.json", "x.yaml"]
    assert make_depth(pairs, Fake(), **SIDES).written == 3


def test_nothing_found_is_reported_but_written(pairs: Path) -> None:
    engine = Mono()
    engine.files = DEPTH
    write(pairs / "left/drive/1.png", 0)
    made = make_depth(pairs, engine, left="left/*/*.png")
    assert made.empty == (pairs / "left/drive/1.png",)
    assert "1 without a value" in str(made)
    assert read_description(made.folder / "x.yaml").kind == "depth"


def test_numbers_on_disk(tmp_path: Path) -> None:
    values = np.float32([[np.nan, np.inf, -1, 0, 0.001, 2.5, 1000]])
    assert stored(values, DISPARITY).tolist() == [[0, 0, 0, 1, 1, 640, 65535]]
    assert stored(values, DEPTH).tolist() == [[0, 0, 0, 0, 1, 640, 65535]]
    assert stored(values[:, :4], INVERSE_DEPTH).tolist() == [[0, 0, 1, 65535]]
    assert stored(values[:, :1], INVERSE_DEPTH).tolist() == [[0]]
    assert stored(np.ones((1, 2), np.float32), INVERSE_DEPTH).tolist() == [[1, 1]]
    exact = np.float32(np.random.default_rng(0).uniform(0.01, 255, (9, 9)))
    Image.fromarray(stored(exact, DISPARITY)).save(tmp_path / "exact.png")
    read = DISPARITY.read(tmp_path / "exact.png")
    assert np.abs(read.numpy()[0] - exact).max() <= 0.5 / 256 + 1e-4


def test_a_data_set_reads_what_sgbm_made(stereo_streets: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    make_depth(stereo_streets, build_engine("sgbm"), left=LEFT, right=RIGHT, output=folder)
    both = ["own", folder]
    data = VKITTI2(stereo_streets, lists="all", cameras=[0], x=both)
    sample = data.read(data.ids[2], with_x=True)
    assert [spec.kind for spec in data.x] == ["depth", "disparity"]
    depth, disparity = (x.as_subclass(torch.Tensor)[0] for x in sample.x)
    assert sample.intrinsics is not None
    truth = float(sample.intrinsics[0, 0]) * 0.532725 / depth
    assert (disparity - truth).abs().nanmedian() < 0.5


def test_own_images_read_what_was_made(pairs: Path, tmp_path: Path) -> None:
    write(pairs / "label.png", 0)
    for number in (1, 2, 3):
        label = Image.fromarray(np.zeros((6, 8), np.uint8))
        label.save(pairs / f"{number}.png")
    files = {"image": "left/drive/*.png", "label": "*.png"}
    (pairs / "label.png").unlink()
    described = {"classes": ["road", "car"], "train": files, "val": files}
    (pairs / "lix.yaml").write_text(yaml.safe_dump(described))
    made = make_depth(pairs, Fake(), **SIDES)
    x = read(Folder(pairs, x=[made.folder]), 1, with_x=True).x[0]
    assert (x.as_subclass(torch.Tensor) == 20).all()


def test_a_file_that_was_cut_or_altered_is_made_again(pairs: Path) -> None:
    make_depth(pairs, Fake(), **SIDES)
    paths = sorted((pairs / "x-fake").rglob("*.png"))
    whole = [path.read_bytes() for path in paths]
    paths[0].write_bytes(whole[0][:-9])
    paths[1].write_bytes(whole[1][:40] + b"x" + whole[1][41:])
    assert make_depth(pairs, Fake(), **SIDES).written == 2
    assert [path.read_bytes() for path in paths] == whole


def test_command_line(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = ("--left", SIDES["left"], "--right", SIDES["right"])
    assert lix("data", "depth", pairs, *sides, "--no-fill", "--max-disparity", "8") == 0
    assert "3 files written" in capsys.readouterr().out
    record = json.loads((pairs / "x-sgbm/engine.json").read_text())
    assert record == {"engine": "sgbm", "max_disparity": 8, "fill": False}
    assert lix("data", "depth", pairs, *sides) == 1
    assert "other settings (max_disparity 8, fill False)" in capsys.readouterr().err
    assert lix("data", "depth", pairs, "--engine", "onnx") == 1
    assert "needs --model" in capsys.readouterr().err
    (pairs / "right/drive/2.png").unlink()
    assert lix("data", "depth", pairs, *sides, "--output", pairs / "again") == 1
    error = capsys.readouterr().err
    assert "1 of 3 images failed" in error
    assert error.count("\n") == 1
    assert len(list((pairs / "again").rglob("*.png"))) == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_missing_extra_is_one_sentence(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lix.core.errors.find_spec", lambda module: None)
    needed = {"sgbm": {}, "lidar": {"points": "*.bin", "calibration": "none.yaml"}}
    options = needed.get(engine, {"model": "none.yaml"})
    with pytest.raises(ModuleNotFoundError, match=r'pip install "lix\[depth\]"') as error:
        build_engine(engine, **options)
    assert "\n" not in str(error.value)
