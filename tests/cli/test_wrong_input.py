"""Wrong words, recipes and options: one sentence, and code of the user's own only with leave."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from lix.cli.arguments import parse_size
from tests.cli.test_cli import lix

WRONG = {
    ("trian",): 'Did you mean "train"',
    ("train", "--data.rot", "x"): "Did you mean --data.root",
    ("train", "--optim.lr", "-1"): "--optim.lr: Input should be greater than 0",
    ("train", "--optim.lr", "abc"): "lix: --optim.lr: Input should be a valid number",
    ("train", "--optim.batch_size", "abc"): "lix: --optim.batch-size: ",
    ("train", "--data.size", "a", "b"): "lix: --data.size: ",
    ("eval", "runs/x", "--data.x", "lag"): "lix: --data.x: Unknown encoding of X 'lag'",
    ("train", "--training.epochs", "3", "--training.evaluate-every", "2"): "lix: training.epochs 3",
    ("train", "--data.name", "folder", "--data.root", "YAML"): "the same frames for training and",
    ("train", "--optim.name", "sdg"): "'sgd' or 'adamw'",
    ("train", "--data.root", "/nowhere"): "/nowhere is missing",
    ("train",): "Set data.root",
    ("train", "-r", "/nowhere.yaml"): "/nowhere.yaml is missing",
    ("distill", "--data.root", "ROOT"): "needs a teacher",
    ("distill", "--data.root", "ROOT", "--teacher", "/nowhere"): "is missing; name a run folder",
    ("eval", "/nowhere"): "is missing; name a run folder",
    ("predict", "/nowhere", "/nowhere"): "is missing",
    ("data", "streets", "OUT", "--world", "twon"): "town",
    ("data", "streets", "OUT", "--size", "big"): "HEIGHTxWIDTH",
}


@pytest.mark.parametrize(("arguments", "expected"), WRONG.items(), ids=lambda x: str(x)[:40])
def test_wrong_input_is_one_sentence(
    arguments: tuple[str, ...],
    expected: str,
    streets: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    yaml_file = tmp_path_factory.mktemp("unsplit") / "my.yaml"
    yaml_file.write_text("{classes: [a, b], files: {image: '*.jpg', label: '*.png'}}")
    places = {"ROOT": str(streets), "OUT": str(tmp_path / "out"), "YAML": str(yaml_file)}
    assert lix(*[places.get(a, a) for a in arguments]) in (1, 2)
    message = capsys.readouterr().err
    assert expected in message
    assert "Traceback" not in message
    assert message.strip().splitlines()[-1].startswith("lix: ")
    assert not list(tmp_path.iterdir()), "a refused command left something behind"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("data: {siz: [1, 2]}", "unknown entry 'data.siz'. Did you mean 'size'"),
        ("optim: {lr: fast}", "optim.lr"),
        ("data: [", "not valid YAML"),
    ],
)
def test_wrong_recipe_names_file_and_entry(
    content: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(content)
    assert lix("train", "-r", path) == 1
    message = capsys.readouterr().err
    assert expected in message
    assert "wrong.yaml" in message


def test_unknown_method_and_option_name_the_nearest(
    runs: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("distill", "-r", recipe, "--teacher", runs / "teacher", "--output", tmp_path / "r")
    assert lix(*common, "--method", "dwdl") == 1
    assert "Did you mean 'dwld'" in capsys.readouterr().err
    assert lix(*common, "--method", "kd", "--options.temprature", 4) == 1
    assert "Did you mean 'temperature'" in capsys.readouterr().err


def test_options_are_checked_and_numbers_understood(
    runs: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("distill", "-r", recipe, "--teacher", runs / "teacher", "--output", tmp_path / "r")
    assert lix(*common, "--method", "kd", "--options.temperature", "hot") == 1
    assert "Wrong option of kd, 'hot'" in capsys.readouterr().err
    assert lix(*common, "--options.dwld.contoller", "joint") == 1
    assert "Did you mean 'controller'" in capsys.readouterr().err
    assert lix(*common, "--method", "kd", "--options.weight", "1e-3", "--optim.lr=0.5") == 0
    saved = yaml.safe_load((tmp_path / "r" / "recipe.yaml").read_text())
    assert saved["distill"]["options"] == {"weight": 0.001}
    assert saved["optim"]["lr"] == 0.5


@pytest.mark.parametrize("text", ["96", "96x", "x320", "ax3", "96,320"])
def test_parse_size_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="HEIGHTxWIDTH"):
        parse_size(text)


OWN = """
import lix, torch

def build(num_classes, x_channels, width=8):
    first, second = torch.nn.Conv2d(3, width, 3, 2, 1), torch.nn.Conv2d(width, num_classes, 1)
    return lix.wrap(torch.nn.Sequential(first, second), {"first": "0"}, size_divisor=2)
"""


@pytest.mark.slow
def test_own_network_is_trained_only_with_leave(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "my_networks.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("LIX_ALLOW_CODE", "")
    own = ("train", "-r", recipe, "--network.name", "my_networks:build", "--output", "run")
    assert lix(*own) == 1
    assert "run again with --allow-code" in capsys.readouterr().err
    assert lix(*own, "--network.options.width", "4", "--allow-code") == 0
    assert lix("eval", "run", "--allow-code") == 0
    assert lix("export", "run", "own.onnx", "--allow-code") == 0
    assert lix("--allow-code", "train", "-r", recipe, "--network.name", "my_networks:nothing") == 1
    assert "cannot be imported" in capsys.readouterr().err
