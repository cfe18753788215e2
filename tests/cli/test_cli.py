"""The command line as a user meets it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from lix.cli.app import main
from lix.core.registry import entries
from lix.runs.checkpoint import load_network
from lix.runs.history import read_history
from lix.runs.recipe import Recipe
from lix.runs.settings import Data
from tests.conftest import RANK_VARIABLES


def lix(*arguments: object) -> int:
    """Run `lix` in this process and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lix", *map(str, arguments)])
        try:
            main()
        except SystemExit as leave:
            return int(leave.code or 0)
    return 0


def test_x_that_teaches_nothing_is_warned_of(
    recipe: Path,
    streets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(streets, tmp_path / "data")
    for path in (tmp_path / "data").rglob("depth_*.png"):
        Image.fromarray(np.full((48, 96), 9000, np.uint16)).save(path)

    def stop(*_: object, **__: object) -> None:
        raise ValueError("stopped before the first epoch")

    monkeypatch.setattr("lix.training.build.open_drives", stop)
    words = ("train", "-r", recipe, "--role", "teacher", "--output", tmp_path / "run")
    warning = "warning: the depth is invalid or one constant after encoding"
    for root, is_flat in ((tmp_path / "data", True), (streets, False)):
        assert lix(*words, "--data.root", root) == 1
        assert (warning in " ".join(" ".join(capsys.readouterr()).split())) == is_flat


def test_help_is_fast_because_it_loads_nothing_heavy() -> None:
    code = (
        "import sys; from lix.cli.app import app; app(['--help'], exit_on_error=False, "
        "result_action='return_value'); "
        "heavy = {'torch', 'torchvision', 'lightning', 'numpy', 'matplotlib'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "distill" in done.stdout


@pytest.mark.parametrize(
    "command", ["demo", "train", "distill", "eval", "predict", "export", "bench", "list", "data"]
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lix(command, "--help") == 0
    assert "Usage: lix" in capsys.readouterr().out


def test_eval_says_that_data_settings_come_from_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert lix("eval", "--help") == 0
    text = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    assert text.count("[default: the run's]") == len(Data.model_fields)
    assert "vkitti2" not in text


@pytest.mark.parametrize(
    ("what", "expected"), [("methods", "dkd"), ("networks", "mfnet"), ("datasets", "vkitti2")]
)
def test_list(what: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lix("list", what) == 0
    assert any(line.startswith(expected) for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("method", [m for m in entries("methods") if m != "none"])
def test_cite(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lix("cite", method) == 0
    citation = capsys.readouterr().out
    assert re.match(r"@(article|inproceedings)\{\w+,\n", citation)
    assert {"title", "author", "year"} <= set(re.findall(r"^  (\w+) +=", citation, re.MULTILINE))


def test_the_baseline_has_no_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert lix("cite", "none") == 1
    assert "it has no paper" in capsys.readouterr().err


@pytest.mark.slow
def test_flags_win_over_the_recipe_and_all_is_saved(runs: Path) -> None:
    saved = yaml.safe_load((runs / "lix" / "recipe.yaml").read_text())
    assert saved["training"]["channels_last"] is True
    assert saved["distill"]["options"] == {"dwld": {"controller": "budget"}}
    assert saved["data"]["size"] == [32, 64]
    assert saved["optim"]["lr"] == 0.02
    assert saved["optim"]["momentum"] == 0.9


def test_eval_uses_the_settings_of_the_run(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lix("eval", runs / "lix", "--output", tmp_path / "scores.json") == 0
    result = json.loads((runs / "lix" / "result.json").read_text())
    again = json.loads((tmp_path / "scores.json").read_text())
    assert again["confusion"] == result["confusion"]
    assert f"mIoU {100 * result['mIoU']:.2f} %" in capsys.readouterr().out


def test_predict_needs_rgb_alone(runs: Path, streets: Path, tmp_path: Path) -> None:
    image = next(streets.rglob("rgb_*.jpg"))
    assert lix("predict", runs / "lix", image, "--output", tmp_path, "--opacity", 0) == 0
    overlay = np.asarray(Image.open(tmp_path / f"{image.stem}_overlay.png"))
    assert (overlay == np.asarray(Image.open(image))).all()
    assert (tmp_path / "legend.png").is_file()
    assert lix("predict", runs / "lix", image, "--output", tmp_path / "b", "--no-legend") == 0
    assert not (tmp_path / "b" / "classes.json").exists()
    label = np.asarray(Image.open(tmp_path / f"{image.stem}_label.png"))
    assert label.shape == (48, 96)
    assert label.max() < 14


@pytest.mark.slow
def test_export_prints_the_difference(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lix("export", runs / "lix", tmp_path / "student.onnx") == 0
    assert (tmp_path / "student.onnx").is_file()
    assert "difference" in capsys.readouterr().out


def test_streets_command(tmp_path: Path) -> None:
    arguments = ("--images", 3, "--size", "32x64", "--seed", 5, "--world", "highway")
    assert lix("data", "streets", tmp_path / "s", *arguments) == 0
    assert len(list((tmp_path / "s").rglob("rgb_*.jpg"))) == 6


def test_eval_of_a_checkpoint_uses_the_settings_of_its_run(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lix("eval", "--split", "val", runs / "lix" / "checkpoints" / "best.ckpt") == 0
    result = json.loads((runs / "lix" / "result.json").read_text())
    assert f"mIoU {100 * result['mIoU']:.2f} %" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("method", ["none", "lix"])
def test_two_processes_take_half_the_steps_and_count_every_image_once(
    method: str, recipe: Path, runs: Path, tmp_path: Path
) -> None:
    """Real processes, as users start them: autograd does not survive a fork."""
    command = ["distill", "--method", method, "--teacher", runs / "teacher"]
    two = ["--training.devices", "2", "--optim.batch-size", "2", "--output", tmp_path / "run"]
    done = subprocess.run(
        [sys.executable, "-m", "lix", *map(str, [*command, "-r", recipe, *two])],
        env={k: v for k, v in os.environ.items() if k not in RANK_VARIABLES},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 4
    history = read_history(tmp_path / "run" / "history.csv")
    validated = [value for _, name, value in history if name == "val_mIoU"]
    assert validated == [pytest.approx(result["mIoU"], abs=1e-6)]


def test_export_to_safetensors_and_back(runs: Path, tmp_path: Path, streets: Path) -> None:
    file = tmp_path / "student.safetensors"
    assert lix("export", runs / "lix", file) == 0
    network, spec = load_network(file)
    original, _ = load_network(runs / "lix")
    image = torch.rand(1, 3, 32, 64)
    torch.testing.assert_close(network(image).logits, original(image).logits)
    assert len(spec.palette) == spec.build().num_classes
    picture = next(streets.rglob("rgb_*.jpg"))
    assert lix("predict", file, picture, "--output", tmp_path / "seen") == 0
    assert lix("export", runs / "teacher", file) == 1


@pytest.mark.slow
def test_several_features_are_named_in_one_flag(
    recipe: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    distil = ("distill", "-r", recipe, "--method", "at", "--teacher", runs / "teacher")
    maps = ("--features", "enc3", "enc4", "--teacher-features", "enc3", "dec3")
    assert lix(*distil, *maps, "--output", tmp_path / "run") == 0
    assert Recipe.load(tmp_path / "run" / "recipe.yaml").distill.teacher_features == (
        "enc3",
        "dec3",
    )
    assert (
        lix("distill", "-r", tmp_path / "run" / "recipe.yaml", "--output", tmp_path / "again") == 0
    )


@pytest.mark.slow
def test_teacher_of_normals_teaches_another_family(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ("--network.name", "sne_roadseg", "--network.options.backbone", "resnet18")
    small = ("-r", recipe, "--data.x", "normal", "--data.size", "32", "32")
    assert lix("train", *small, *own, "--role", "teacher", "--output", tmp_path / "teacher") == 0
    assert load_network(tmp_path / "teacher")[0].x_channels == 3
    student = ("--network.name", "offnet", "--network.options.backbone", "b0")
    distil = ("distill", *small, *student, "--method", "nst", "--teacher", tmp_path / "teacher")
    maps = ("--features", "enc1", "enc2", "--teacher-features", "enc2", "enc3")
    assert lix(*distil, *maps, "--output", tmp_path / "student") == 0
    assert lix("export", tmp_path / "student", tmp_path / "student.safetensors") == 0
    assert lix("train", "-r", recipe, "--data.x", "normals", "--output", tmp_path / "x") == 2
    assert "Did you mean 'normal'?" in capsys.readouterr().err
