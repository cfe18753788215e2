"""A full disk and closed folders: one sentence, older files as they were, and the run goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lix.training.checkpoint_io import is_whole
from tests.robustness.conftest import Lix

pytestmark = pytest.mark.slow


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_a_disk_that_fills_costs_nothing(
    lix: Lix, small_recipe: Path, student: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    one = ("train", "-r", small_recipe, "--output", run)
    assert lix(*one, "--training.epochs", 1)[0] == 0
    (run / "result.json").unlink()
    kept = {p: p.read_bytes() for p in (run / "checkpoints").iterdir()}
    code, message = lix(*one, "--resume", kilobytes=1000)
    assert code == 1
    assert message.startswith(f"lix: {run}/checkpoints/")
    assert "make room there" in message
    assert {p: p.read_bytes() for p in (run / "checkpoints").iterdir()} == kept
    assert all(map(is_whole, kept))
    assert lix(*one, "--resume")[0] == 0
    expected, actual = weights(student), weights(run)
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


@pytest.mark.parametrize(
    "words",
    [
        ("data", "streets", "OUT", "--images", 3, "--size", "64x160"),
        ("predict", "RUN", "IMAGES", "--output", "OUT"),
        ("export", "RUN", "OUT/student.onnx"),
        ("export", "RUN", "OUT/student.safetensors"),
        ("eval", "RUN", "--output", "OUT/scores.json"),
        ("train", "-r", "RECIPE", "--output", "OUT"),
        ("data", "check", "IMAGES", "--output", "OUT/check.html"),
    ],
    ids=lambda words: " ".join(map(str, words[:2])),
)
def test_a_full_disk_is_one_sentence(
    words: tuple[object, ...],
    lix: Lix,
    small_recipe: Path,
    student: Path,
    streets: Path,
    tmp_path: Path,
) -> None:
    places = {"OUT": tmp_path / "out", "RUN": student, "IMAGES": streets, "RECIPE": small_recipe}
    code, message = lix(*(_placed(word, places) for word in words), kilobytes=1)
    assert code == 1
    assert message.startswith("lix: ")
    assert "room" in message or "No space left on the disk for /" in message
    left = [p.name for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_size == 1024]
    cut = [name for name in left if not name.startswith("events.out")]  # a log may end anywhere
    assert cut == [], "a file cut short was left"


def _placed(word: object, places: dict[str, Path]) -> object:
    name, _, rest = str(word).partition("/")
    return places[name] / rest if name in places else word


@pytest.mark.parametrize("closed", ["/proc/lix", "/dev/null/lix"])
@pytest.mark.parametrize(
    "words",
    [
        ("train", "-r", "RECIPE", "--output", "CLOSED"),
        ("data", "streets", "CLOSED", "--images", 3, "--size", "32x64"),
        ("eval", "RUN", "--output", "CLOSED/scores.json"),
        ("predict", "RUN", "IMAGES", "--output", "CLOSED"),
        ("export", "RUN", "CLOSED/student.onnx"),
    ],
    ids=lambda words: words[0],
)
def test_closed_folders_are_one_sentence(
    closed: str,
    words: tuple[object, ...],
    lix: Lix,
    small_recipe: Path,
    student: Path,
    streets: Path,
) -> None:
    places = {"CLOSED": Path(closed), "RUN": student, "IMAGES": streets, "RECIPE": small_recipe}
    code, message = lix(*(_placed(word, places) for word in words))
    assert code == 1
    assert message.startswith("lix: ")
    assert closed in message
    assert "choose another" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_one_sentence(
    lix: Lix, small_recipe: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o500)
    code, message = lix("train", "-r", small_recipe, "--output", tmp_path / "run")
    assert code == 1
    assert "choose another" in message
