"""What the README says is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lix.core.registry import entries
from lix.runs.recipe import Recipe
from tests.cli.test_cli import lix

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALLER = {
    "data": ["--images", "14", "--size", "32x64"],
    "train": ["--training.epochs", "1", "--data.size", "32", "64", "--optim.batch-size", "4"],
}
SMALLER["distill"] = SMALLER["train"]


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)[1]


@pytest.mark.slow
def test_commands_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the README, on fewer and smaller images."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    for line in block("bash").strip().splitlines():
        program, command, *rest = shlex.split(line)
        assert program == "lix"
        assert lix(command, *rest, *SMALLER.get(command, [])) == 0, line
    assert (tmp_path / "student.onnx").is_file()
    assert list((tmp_path / "predictions").glob("*_confidence.png"))


def test_python_api_runs() -> None:
    scope: dict[str, object] = {}
    exec(block("python"), scope)
    assert scope["loss"].isfinite()


def test_your_model_runs_as_written() -> None:
    text = (ROOT / "docs" / "your-model.md").read_text(encoding="utf-8")
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, scope)
    assert scope["loss"].isfinite()
    assert scope["transformer"].feature_specs.keys() == {"enc1", "enc2", "enc3", "enc4"}


RECIPES = [p for p in (ROOT / "recipes").glob("*.yaml") if not p.stem.endswith(("-data", "-onnx"))]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_recipes_are_valid(path: Path) -> None:
    assert Recipe.load(path).data.size


def test_every_method_has_a_card() -> None:
    cards = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### (\w+)$", cards, re.MULTILINE)) == sorted(entries("methods"))


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        *(f"docs/{n}" for n in ("paper.md", "methods.md", "data.md", "your-model.md")),
    ],
)
def test_links_and_named_files_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    folder = (ROOT / document).parent
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (folder / target).exists(), target
    for target in re.findall(r"`((?:recipes|src|tests|docs)/[\w./-]+)`", text):
        if "NAME" not in target:
            assert (ROOT / target).exists(), target


@pytest.mark.parametrize("name", [n for n in entries("methods") if n not in ("none", "lix")])
def test_cards_name_all_presets_and_no_other(name: str) -> None:
    cards = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    card = re.search(rf"^### {name}\n(.*?)(?=^##)", cards, re.MULTILINE | re.DOTALL)[1]
    options = re.search(r"\*\*Options\*\*(.*?)\n- \*\*", card, re.DOTALL)[1]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", options[options.find("Preset") :]))
    presets = set(entries("methods")[name].load().presets)
    assert presets <= named
    known = {"official", "cirkd", "repdistiller", "torchdistill", "mdistiller", "paper"}
    assert {n for n in named if n.split("-")[0] in known} == presets
