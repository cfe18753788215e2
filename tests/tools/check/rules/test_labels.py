"""Labels that are wrong, though every value is a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.check.cases import Fault, every, judged, set_to
from tests.tools.conftest import HEIGHT, Make, Parts

NOT_FIRST_ROW = np.arange(HEIGHT)[:, None] > 1
FAULTS = [
    Fault(
        "one-value",
        "error",
        r"^train \(val too\): Each of the 5 label images has only one value \(road\)",
        every("label", set_to(0)),
    ),
    Fault(
        "one-class",
        "warning",
        r"road has 99.0 % of all labelled pixels",
        every("label", lambda a: np.where(np.arange(HEIGHT)[:, None] < 1, a, 0).astype(np.uint8)),
    ),
    Fault(
        "binary",
        "error",
        r"The labels are road or 255, which is ignored; .*`classes: \{0: …, 255: …\}`",
        every("label", lambda a: np.where(a, 255, 0).astype(np.uint8)),
        {"classes": ["road", "free"]},
    ),
    Fault(
        "ignored",
        "warning",
        r"75 % of all pixels are ignored",
        every("label", set_to(255, np.s_[16:])),
    ),
    Fault("all-ignored", "error", r"All labels are ignored", every("label", set_to(255))),
    Fault(
        "absent",
        "warning",
        r"^Classes that never occur in any label: sky;",
        every("label", lambda a: a % 2),
    ),
    Fault(
        "absent-train",
        "warning",
        r"^Classes that occur in val but never in train: sky;",
        every("label", lambda a: a % 2, "train"),
    ),
    Fault(
        "absent-val",
        "note",
        r"^Classes that occur in train but never in val: sky;",
        every("label", lambda a: a % 2, "val"),
    ),
    Fault(
        "rare",
        "note",
        r"^Classes that are rare in val: sky \(2,048 pixels in 1 frame\);.*`lix eval --leave-out`",
        lambda split, i, parts: split == "val" and i and parts.update(label=parts["label"] % 2),
    ),
    Fault(
        "few-pixels",
        "note",
        r"^Classes that are rare in val: car \(192 pixels in 3 frames\); their IoU is mostly noise",
        every("label", lambda a: np.where(NOT_FIRST_ROW & (a == 1), 0, a), "val"),
    ),
]


PALETTE = [[128, 64, 128], [0, 0, 142], [70, 130, 180]]


def stored_with_palettes(root: Path) -> None:
    """As an optimiser does: the palette of the second file is in another order."""
    for split, names in (("train", ["traina_0", "trainb_1"]), ("val", [])):
        for place, name in enumerate(names):
            path = root / split / "label" / f"{name}.png"
            ids = np.array(Image.open(path))
            order = np.roll(np.arange(3), place).astype(np.uint8)
            stored = Image.fromarray(np.argsort(order).astype(np.uint8)[ids])
            stored.putpalette(np.array(PALETTE, np.uint8)[order].tobytes())
            stored.save(path)


PALETTE_FAULTS = [
    Fault(
        "form",
        "note",
        r"^train \(val too\): Of 5 label images lix reads 2 by colours \(first "
        r"traina_0, trainb_1\) and 3 by values, as .*first traina_2",
        entries={"palette": PALETTE},
        after=stored_with_palettes,
    ),
    Fault(
        "palettes",
        "warning",
        r"^train: 1 label image \(first trainb_1\) show the same index in other colours",
        after=stored_with_palettes,
    ),
]


@pytest.mark.parametrize("fault", [*FAULTS, *PALETTE_FAULTS], ids=lambda fault: fault.name)
def test_a_fault_is_found(fault: Fault, make: Make) -> None:
    fault.assert_found(make)


def test_rare_classes_that_are_not_scored_need_no_note(make: Make) -> None:
    def change(split: str, index: int, parts: Parts) -> None:
        if split == "val" and index:
            parts["label"] %= 2

    assert judged(make(change, not_scored=["sky"])) == []
    (found,) = judged(make(change), images=2)
    assert found.rule == "sample", "a sample does not tell what is rare"
