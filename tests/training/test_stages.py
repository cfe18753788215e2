"""Methods whose training has stages or needs: a teacher stage, large batches."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from lix.methods.parts.teacher_stage import Batch, TeacherStage
from lix.runs.folder import RunFolder
from lix.training.fit import fit
from tests.training.test_fit import recipe, weights


@pytest.fixture(scope="module")
def teacher(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "teacher"
    return fit(recipe(streets, output, role="teacher", training={"epochs": 1}))


def interrupted_in_epoch(number: int) -> Any:
    original = TeacherStage.run_epoch

    def run_epoch(self: TeacherStage, teacher: Any, batches: Iterable[Batch], features: Any) -> Any:
        def some() -> Iterator[Batch]:
            for i, batch in enumerate(batches):
                if self.epochs_done + 1 == number and i == 1:
                    raise KeyboardInterrupt
                yield batch

        return original(self, teacher, some(), features)

    return run_epoch


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ft", "maskd"])
def test_teacher_stage_is_shown_and_resumed_to_the_last_bit(
    method: str, streets: Path, teacher: Path, tmp_path: Path
) -> None:
    distill = {"method": method, "teacher": teacher, "options": {"passes": 3}}
    settings: dict[str, Any] = {"distill": distill, "training": {"epochs": 1}}
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    undisturbed = fit(recipe(streets, tmp_path / "undisturbed", **settings), console=console)
    assert "teacher stage, epoch 3/3  loss" in printed.getvalue()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TeacherStage, "run_epoch", interrupted_in_epoch(2))
        with pytest.raises(KeyboardInterrupt):
            fit(recipe(streets, tmp_path / "resumed", **settings))
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    resumed = fit(recipe(streets, tmp_path / "resumed", **settings), resume=True, console=console)
    assert "stage, epoch 1/3" not in printed.getvalue()
    assert "stage, epoch 2/3" in printed.getvalue()
    expected, actual = weights(undisturbed), weights(resumed)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


def test_damaged_teacher_stage_is_one_sentence(
    streets: Path, teacher: Path, tmp_path: Path
) -> None:
    settings = {"distill": {"method": "maskd", "teacher": teacher}, "training": {"epochs": 1}}
    RunFolder(tmp_path / "run").teacher_stage.parent.mkdir(parents=True)
    RunFolder(tmp_path / "run").teacher_stage.write_bytes(b"half a file")
    with pytest.raises(ValueError, match="is damaged; delete it"):
        fit(recipe(streets, tmp_path / "run", **settings))


@pytest.mark.parametrize(("method", "batch_size"), [("rkd", 2), ("sp", 1)])
def test_batches_too_small_to_compare_are_said(
    method: str, batch_size: int, streets: Path, teacher: Path, tmp_path: Path
) -> None:
    printed = io.StringIO()
    settings = {
        "distill": {"method": method, "teacher": teacher},
        "training": {"epochs": 1},
        "optim": {"batch_size": batch_size},
    }
    fit(recipe(streets, tmp_path / "run", **settings), console=Console(file=printed, width=300))
    assert f"{method.upper()} teaches nothing" in printed.getvalue()
