"""Copies, and what training and validation share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lix.tools.check.rules.splits import split_findings
from lix.tools.check.run import examine
from lix.tools.check.statistics import SplitStatistics
from lix.tools.check.survey import Survey
from tests.tools.check.cases import Fault, every, judged
from tests.tools.conftest import Make


def same(path: str, other: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_bytes((root / other).read_bytes())


FAULTS = [
    Fault(
        "copies",
        "warning",
        r"^train: Copies of other images, pixel by pixel: 1 \(traina_0 = trainb_1\)",
        after=same("train/image/trainb_1.png", "train/image/traina_0.png"),
    ),
    Fault(
        "leak",
        "error",
        r"^train and val share 1 image, pixel by pixel \(traina_0 = valb_1\).*mean nothing",
        after=same("val/image/valb_1.png", "train/image/traina_0.png"),
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(fault: Fault, make: Make) -> None:
    fault.assert_found(make)


def test_sequences_on_both_sides(make: Make) -> None:
    root = make()
    for path in [*(root / "val").rglob("*b_1.png")]:
        path.rename(path.with_name("trainb_9.png"))
    (finding,) = judged(root)
    assert finding.severity == "warning"
    assert "frames of 1 of the 2 sequences in val are in train too (trainb)" in str(finding)
    assert "`lix data split`" in str(finding)


def with_test(make: Make) -> Path:
    """A clean set whose test split is a copy of validation under other names, with other images."""
    root = make(test={part: f"test/{part}/*.png" for part in ("image", "label", "x")})
    for path in (root / "val").rglob("*.png"):
        copy = root / "test" / path.parent.name / path.name.replace("val", "test")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        if path.parent.name == "image":
            Image.fromarray(255 - np.array(Image.open(path))).save(copy)
    return root


def test_a_third_split_is_surveyed_too(make: Make) -> None:
    root = with_test(make)
    surveyed, datasets = examine(root)
    assert {name: split.read for name, split in surveyed.splits.items()} == {
        "train": 5,
        "val": 3,
        "test": 3,
    }
    assert list(datasets) == ["train", "val", "test"]
    assert judged(root) == []
    same("test/image/testa_0.png", "train/image/traina_0.png")(root)
    (found,) = judged(root)
    assert found.severity == "error"
    assert "train and test share 1 image, pixel by pixel (traina_0 = testa_0)" in str(found)


def test_sequences_of_the_third_split_in_train(make: Make) -> None:
    root = with_test(make)
    for path in [*(root / "test").rglob("*b_1.png")]:
        path.rename(path.with_name("trainb_9.png"))
    (found,) = judged(root)
    assert "frames of 1 of the 2 sequences in test are in train too (trainb)" in str(found)


def test_a_third_split_that_does_not_open_is_an_error(make: Make) -> None:
    (found,) = judged(make(test={"image": "test/*.png", "label": "test/*.png"}))
    assert found.severity == "error"
    assert str(found).startswith("test cannot be opened: ")


def test_what_stops_two_splits_is_said_once(make: Make) -> None:
    nothing = {"image": "nothing/*.png", "label": "nothing/*.png"}
    (found,) = judged(make(val=nothing, test=nothing))
    assert str(found).startswith("val and test cannot be opened: No file fits")


def test_frames_of_one_instant_are_not_said_to_be_of_one_sequence_too() -> None:
    splits = {
        name: SplitStatistics(name, 2, sequences=Counter(Scene01=2, Scene02=1), instants={"1/7"})
        for name in ("train", "val")
    }
    survey = Survey("vkitti2", Path("data"), (), (), splits=splits)
    (found,) = split_findings(survey)
    assert found.rule == "instants"
    for split in splits.values():
        split.instants.clear()
    (found,) = split_findings(survey)
    assert found.rule == "sequences"


def test_names_that_tell_no_sequence_are_no_fault(make: Make) -> None:
    root = make()
    for path in [*root.rglob("*.png")]:
        path.rename(path.with_name(path.name.partition("_")[2]))
    assert judged(root) == []


def test_a_sample_is_said_to_be_one(make: Make) -> None:
    (finding,) = judged(make(), images=2)
    assert finding.severity == "note"
    assert "2 of 5 in train, 2 of 3 in val" in str(finding)


def test_the_worst_comes_first_and_both_splits_are_named_once(make: Make) -> None:
    root = make(every("label", lambda a: a % 2), x={"kind": "depth"}, intrinsics=None)
    assert [(f.severity, f.splits) for f in judged(root)] == [
        ("error", ("train", "val")),
        ("warning", ()),
        ("note", ("train", "val")),
    ]


def test_a_clean_set_has_no_finding(make: Make) -> None:
    assert judged(make()) == []
