"""Methods whose training has stages or needs: a first stage, hints before labels, large batches."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from lix.methods.parts.first_stage import Batch
from lix.runs.folder import RunFolder
from lix.runs.history import read_history
from lix.training.first_stage import TeacherBatches
from lix.training.fit import fit
from tests.training.test_fit import recipe, weights


@pytest.fixture(scope="module")
def teacher(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "teacher"
    return fit(recipe(streets, output, role="teacher", training={"epochs": 1}))


def interrupted_in_pass(number: int) -> Any:
    original = TeacherBatches.__iter__

    def iterate(self: TeacherBatches) -> Iterator[Batch]:
        for i, batch in enumerate(original(self)):
            if self.passes == number and i == 1:
                raise KeyboardInterrupt
            yield batch

    return iterate


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ft", "maskd"])
def test_first_stage_is_shown_and_resumed_to_the_last_bit(
    method: str, streets: Path, teacher: Path, tmp_path: Path
) -> None:
    distill = {"method": method, "teacher": teacher, "options": {"passes": 3}}
    settings: dict[str, Any] = {"distill": distill, "training": {"epochs": 1}}
    said = io.StringIO()
    console = Console(file=said, width=200)
    undisturbed = fit(recipe(streets, tmp_path / "undisturbed", **settings), console=console)
    assert "first stage, pass 3/3  loss" in said.getvalue()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TeacherBatches, "__iter__", interrupted_in_pass(2))
        with pytest.raises(KeyboardInterrupt):
            fit(recipe(streets, tmp_path / "resumed", **settings))
    said = io.StringIO()
    console = Console(file=said, width=200)
    resumed = fit(recipe(streets, tmp_path / "resumed", **settings), resume=True, console=console)
    assert "pass 1/3" not in said.getvalue()
    assert "pass 2/3" in said.getvalue()
    expected, actual = weights(undisturbed), weights(resumed)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


def test_damaged_first_stage_is_one_sentence(streets: Path, teacher: Path, tmp_path: Path) -> None:
    settings = {"distill": {"method": "maskd", "teacher": teacher}, "training": {"epochs": 1}}
    RunFolder(tmp_path / "run").teacher_stage.parent.mkdir(parents=True)
    RunFolder(tmp_path / "run").teacher_stage.write_bytes(b"half a file")
    with pytest.raises(ValueError, match="is damaged; delete it"):
        fit(recipe(streets, tmp_path / "run", **settings))


def test_hints_come_first_and_then_labels_alone(
    streets: Path, teacher: Path, tmp_path: Path
) -> None:
    options = {"hint_epochs": 1}
    distill = {"method": "fitnet", "teacher": teacher, "options": options}
    run = fit(recipe(streets, tmp_path / "run", distill=distill))
    terms = {
        (epoch, name): value
        for epoch, name, value in read_history(run / "history.csv")
        if name in ("loss_hard", "loss_fitnet")
    }
    assert terms[0, "loss_hard"] == terms[1, "loss_fitnet"] == 0
    assert terms[1, "loss_hard"] > 0
    assert terms[0, "loss_fitnet"] > 0


@pytest.mark.parametrize(("method", "batch_size"), [("rkd", 2), ("sp", 1)])
def test_batches_too_small_to_compare_are_said(
    method: str, batch_size: int, streets: Path, teacher: Path, tmp_path: Path
) -> None:
    said = io.StringIO()
    settings = {
        "distill": {"method": method, "teacher": teacher},
        "training": {"epochs": 1},
        "optim": {"batch_size": batch_size},
    }
    fit(recipe(streets, tmp_path / "run", **settings), console=Console(file=said, width=300))
    assert f"{method.upper()} teaches nothing" in said.getvalue()


def test_patience_and_warnings_know_that_hints_come_first(
    streets: Path, teacher: Path, tmp_path: Path
) -> None:
    options = {"hint_epochs": 3}
    distill = {"method": "fitnet", "teacher": teacher, "options": options}
    settings = {"distill": distill, "training": {"epochs": 4, "patience": 1}}
    run = fit(recipe(streets, tmp_path / "run", **settings))
    result = json.loads((run / "result.json").read_text())
    assert result["epochs"] == 4
    assert not any("teaches nothing" in sentence for sentence in result["warnings"])
