"""What the README says is what happens."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from lix.core.registry import entries
from lix.data.sets.vkitti2 import VKITTI2
from lix.runs.recipe import Recipe
from lix.streets import StreetPlan, write_streets
from tests.cli.test_cli import lix

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALLER = {
    "data": ["--images", "14", "--size", "32x64"],
    "train": ["--training.epochs", "1", "--data.size", "32", "64", "--optim.batch-size", "4"],
}
SMALLER["distill"] = SMALLER["train"]
FASTER = ["--training.epochs", "1", "--optim.batch-size", "4", "--data.size", "32", "64"]


def block(language: str, text: str = README) -> str:
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]


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


UNLABELLED = (ROOT / "docs" / "unlabelled.md").read_text(encoding="utf-8")


def _labelled_folder(streets: Path, folder: Path, split: str) -> None:
    """Streets as a user's own images: rgb, label and depth in folders and a YAML."""
    dataset = VKITTI2(streets, split=split)
    for number, frame in enumerate(dataset.ids):
        paths = dataset.image_path(frame), dataset.x_sources[0].path(frame)
        for kind, path in zip(("rgb", "depth"), paths, strict=True):
            target = folder / kind / f"{number:03}{path.suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        (folder / "label").mkdir(exist_ok=True)
        Image.fromarray(dataset.read_target(frame)).save(folder / "label" / f"{number:03}.png")
    files = {"image": "rgb/*.jpg", "label": "label/*.png", "x": "depth/*.png"}
    description = {
        "root": folder.name,
        "classes": list(dataset.classes),
        "x": {"kind": "depth", "unit": "cm"},
        "files": files,
        **{part: f"{folder.name}-{part}.txt" for part in ("train", "val")},
    }
    names = [f"{number:03}" for number in range(len(dataset))]
    for part, listed in (("train", names[:-4]), ("val", names[-4:])):
        (folder.parent / f"{folder.name}-{part}.txt").write_text("\n".join(listed))
    text = yaml.safe_dump(description)
    (folder.parent / f"{folder.name}.yaml").write_text(text, encoding="utf-8")


def run_ten_commands(page: str) -> None:
    """Run what the text of a page has as bash, here and with small trainings."""
    commands = block("bash", page).strip().splitlines()
    assert len(commands) == 10
    for line in commands:
        program, command, *rest = shlex.split(line)
        smaller = FASTER if command in ("train", "distill") else []
        assert program == "lix"
        assert lix(command, *rest, *smaller) == 0, line


@pytest.mark.slow
def test_the_ten_commands_for_a_drive_run_as_written(
    streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _labelled_folder(streets, tmp_path / "my", "train")
    _labelled_folder(streets, tmp_path / "place", "val")
    write_streets(tmp_path / "new", StreetPlan(6, (48, 96), 500, "highway", 1), cameras=(0,))
    _labelled_folder(tmp_path / "new", tmp_path / "drive", "train")
    shutil.rmtree(tmp_path / "drive" / "label")
    (tmp_path / "drive" / "depth" / "x.yaml").write_text("{kind: depth, unit: cm}")
    shutil.copytree(tmp_path / "place" / "rgb", tmp_path / "photos")
    run_ten_commands(UNLABELLED)
    assert (tmp_path / "student.onnx").is_file()


def test_the_loop_for_unlabelled_images_runs() -> None:
    scope: dict[str, object] = {}
    exec(block("python", UNLABELLED), scope)
    assert scope["loss"].isfinite()


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
        *(
            f"docs/{n}"
            for n in (
                "paper.md",
                "methods.md",
                "data.md",
                "your-model.md",
                "unlabelled.md",
                "recordings.md",
            )
        ),
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


def test_every_promise_of_the_security_page_names_tests_that_exist() -> None:
    lines = (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        files = re.findall(r"`(\S+\.py)`", row)
        assert files, row
        assert all((ROOT / "tests" / name).is_file() for name in files), row
