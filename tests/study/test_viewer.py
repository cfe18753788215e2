"""Pictures of real runs, and of those whose weights or X are not here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lix.data.dataset import SegDataset
from lix.study.definition import Study
from lix.study.records import Record
from lix.study.results import load_results
from lix.study.viewer import view


@pytest.fixture
def town(real_study: Study, real_output: Path) -> dict[str, Record]:
    runs = load_results(real_study, real_output).runs
    return {one.planned.method: one.record for one in runs if one.planned.data == "town"}


def test_shows_inputs_and_every_run(town: dict[str, Record]) -> None:
    shown = view(town)
    assert len(shown.frames) == 2
    assert [title for title, _ in shown.pairs[0]] == ["RGB", "depth", "truth", *town]
    assert not shown.missing


def test_names_the_runs_that_it_cannot_show(town: dict[str, Record], tmp_path: Path) -> None:
    moved = town["LIX"].recipe.data.model_copy(update={"root": tmp_path / "gone"})
    recipe = town["LIX"].recipe.model_copy(update={"data": moved})
    runs = town | {
        "none": replace(town["none"], folder=tmp_path),
        "LIX": replace(town["LIX"], recipe=recipe),
    }
    shown = view(runs)
    assert list(shown.frames[0]) == ["RGB", "depth", "truth", "teacher"]
    (lost, unread) = shown.missing.items()
    assert lost == ("the weights are not on this disk", ["none"])
    assert unread[1] == ["LIX"]
    assert "gone is missing" in unread[0]


def test_students_are_shown_where_x_is_missing(
    town: dict[str, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_self: SegDataset) -> None:
        raise ValueError("8 of 8 depth files are missing")

    monkeypatch.setattr(SegDataset, "require_x", missing)
    shown = view(town)
    assert list(shown.frames[0]) == ["RGB", "truth", "none", "LIX"]
    (runs,) = shown.missing.values()
    assert runs == ["teacher"]
