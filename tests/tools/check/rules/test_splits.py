"""Copies, and what training and validation share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
