"""Published numbers: the file, and where a study shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lix.core.registry import entries, find
from lix.runs.settings import Data
from lix.study.published import Published, about, numbers, of_run, published
from lix.study.results import CompletedRun, Results, load_results
from lix.study.tables import note, result_groups
from tests.study.conftest import STUDY

CLASSES = ("background", "fire extinguisher", "backpack", "hand drill", "survivor")


def test_every_number_has_a_source() -> None:
    rows = published()
    assert len(rows) == len({row[:6] for row in rows}) > 40
    for row in rows:
        assert 20 < float(row.mIoU) < 100, row
        assert row.source
        assert row.modality.startswith("RGB")
        assert row.method == row.method.lower()


@pytest.mark.parametrize("name", ["nyuv2", "sun_rgbd", "pst900"])
def test_class_numbers_are_those_of_the_loaders(name: str) -> None:
    found = {row.classes for row in published() if (row.data, row.options) == (name, "")}
    if name == "nyuv2":
        assert found == {"40"}
    else:
        assert found == {str(len(find("datasets", name).load().classes))}
    assert name in entries("datasets")


def pst900(run: CompletedRun, **options: Any) -> CompletedRun:
    data = Data(name="pst900", root=Path("a"), options=options)
    recipe = run.record.recipe.model_copy(update={"data": data})
    result = run.record.result | {"iou": dict.fromkeys(CLASSES, 0.5)}
    return replace(run, record=replace(run.record, recipe=recipe, result=result))


def test_they_stand_next_to_the_same_network_on_the_same_frames(output: Path) -> None:
    results = load_results(STUDY, output)
    assert "published mIoU %" not in result_groups(results)[0].table[0]
    assert "Published" not in note(results)
    runs = [pst900(run) for run in results.runs]
    other = Results(results.study, runs, results.planned, {})
    (group,) = result_groups(other)
    shown = {cells["method"]: cells["published mIoU %"] for cells in group.table}
    assert shown == {"teacher": "55.34 (RGB-T)", "none": "", "KD": "", "AT": ""}
    assert "(github.com/ShreyasSkandanS/pst900_thermal_rgb " in note(other)


def test_other_frames_or_networks_show_none(output: Path) -> None:
    run = load_results(STUDY, output).runs[0]
    assert [row.network for row in of_run(pst900(run))] == ["mfnet"]
    assert len(of_run(pst900(run, x="depth"))) == 1, "X changes no frame"
    assert of_run(pst900(run, lists="mine")) == []
    fewer = pst900(run)
    data = fewer.record.recipe.data.model_copy(update={"train": {"lists": "mine"}})
    recipe = fewer.record.recipe.model_copy(update={"data": data})
    assert of_run(replace(fewer, record=replace(fewer.record, recipe=recipe))) == []
    assert about([run]) == ""


def test_rows_have_the_numbers_of_their_method_and_modality() -> None:
    def row(modality: str, method: str, number: str) -> Published:
        return Published("a", "", "5", "mfnet", modality, method, number, "here", "")

    found = [row("RGB", "none", "50"), row("RGB", "kd", "51"), row("RGB-T", "none", "60")]
    found.append(row("RGB-D", "none", "61"))
    assert numbers(found, "none") == "50 (RGB)"
    assert numbers(found, "KD") == "51 (RGB)"
    assert numbers(found, "teacher") == "60 (RGB-T), 61 (RGB-D)"
    assert numbers(found, "AT") == ""
