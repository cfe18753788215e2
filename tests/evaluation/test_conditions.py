"""Scores by condition: groups of frames, and what is said where there are none."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from rich.console import Console

from lix.data.memory import Frames, MemoryDataset
from lix.evaluation.conditions import group, print_by, scores_by
from lix.evaluation.metrics import scores

CLASSES = ("road", "car")
WEATHERS = [
    {"weather": "fog", "time": "day"},
    {"weather": "sun", "time": "day"},
    {"weather": "fog", "time": "night"},
    {"weather": "sun"},
]


def dataset(conditions: list[Any] | None = None) -> MemoryDataset:
    items: list[Mapping[str, Any]] = [
        {"image": torch.zeros(3, 2, 2), "label": torch.zeros(2, 2, dtype=torch.int64)}
        | ({"conditions": conditions[k]} if conditions else {})
        for k in range(4)
    ]
    return MemoryDataset(Frames(items, items, CLASSES), "val")


def test_frames_are_grouped_by_all_conditions() -> None:
    data = dataset(WEATHERS)
    assert group(data, ["weather"]) == {("fog",): [0, 2], ("sun",): [1, 3]}
    assert set(group(data, ["weather", "time"])) == {
        ("fog", "day"),
        ("sun", "day"),
        ("fog", "night"),
        ("sun", "not known"),
    }
    assert list(group(data, [])[()]) == [0, 1, 2, 3]


def test_a_condition_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"^Unknown condition 'wether'\. Did you mean 'weather'\?"):
        group(dataset(WEATHERS), ["wether"])
    with pytest.raises(
        ValueError, match=r"does not say under which conditions.*; leave --by out\.$"
    ):
        group(dataset(), ["weather"])


def test_conditions_that_are_no_dict_are_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"val\[0\] of the data has conditions that are no dict; "):
        group(dataset(["fog"] * 4), ["weather"])


def test_a_value_has_the_scores_of_its_frames() -> None:
    groups = {("fog", "day"): [0], ("fog", "night"): [2], ("sun", "day"): [1, 3]}
    matrices = {
        ("fog", "day"): torch.tensor([[3, 1], [0, 4]]),
        ("fog", "night"): torch.tensor([[1, 0], [2, 1]]),
        ("sun", "day"): torch.zeros(2, 2, dtype=torch.int64),
    }
    by = scores_by(["weather", "time"], groups, matrices)
    fog = scores(torch.tensor([[4, 1], [2, 5]]))
    assert by["weather"]["fog"].means == fog.means
    assert by["weather"]["fog"].images == 2
    assert "sun" not in by["weather"], "no labelled pixel"
    assert by["time"]["night"].means == scores(matrices["fog", "night"]).means
    assert by["time"]["day"].images == 3
    stored = by["time"]["day"].as_dict(CLASSES)
    assert (stored["images"], set(stored["iou"])) == (3, {"road", "car"})
    assert "by" not in stored


def test_the_tables_name_conditions_values_and_classes() -> None:
    matrices = {("fog",): torch.tensor([[3, 1], [0, 4]]), ("sun",): torch.tensor([[9, 0], [0, 0]])}
    stream = io.StringIO()
    by = scores_by(["weather"], {("fog",): [0], ("sun",): [1]}, matrices)
    print_by(by, CLASSES, Console(file=stream, width=100))
    lines = [" ".join(line.split()) for line in stream.getvalue().splitlines()]
    assert lines[0] == "by weather"
    assert any(line.startswith("fog 1 ") and "77.50" in line for line in lines)
    assert "IoU % by weather" in lines
    assert "car 80.0 absent" in lines
