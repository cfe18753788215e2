"""X that is missing, constant, or not what its description says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lix.data.modalities import Depth
from lix.data.x_files import XFiles
from lix.tools.check.frame import x_facts
from lix.tools.check.rules.x import x_rules
from lix.tools.check.statistics import Frame, XStatistics
from tests.tools.check.cases import Array, Fault, every, first, judged, set_to
from tests.tools.conftest import HEIGHT, SIZE, WIDTH, Make

ANGLES = np.linspace(-0.5, 0.5, WIDTH) + np.zeros(SIZE)
NORMALS = np.dstack([0 * ANGLES, np.sin(ANGLES), -np.cos(ANGLES)])


def eight_bits(array: Array) -> Array:
    return (array / array.max() * 255).astype(np.uint8)


def inverted(array: Array) -> Array:
    """Disparity in 1/256 px: 2 to 30 px, growing towards the bottom."""
    return (256 * 150_000 / array.astype(float)).astype(np.uint16)


def near(array: Array) -> Array:
    """Millimetres of a robot's arm: 0.9 to 0.4 m."""
    return (400 + 500 * (array.astype(float) / array.max())).astype(np.uint16)


def encoded_normals(encode: Callable[[Array], Array]) -> Any:
    return every("x", lambda _: encode(NORMALS).astype(np.uint8))


NORMAL = {"kind": "normal", "scale": "2/255", "offset": -1}
DISPARITY = {"kind": "disparity", "scale": "1/256"}


TWICE = {
    split: {
        "image": f"{split}/image/*.png",
        "label": f"{split}/label/*.png",
        "x": [f"{split}/x/*.png"] * 2,
    }
    for split in ("train", "val")
}

FAULTS = [
    Fault(
        "depth-unit",
        "error",
        r"^train \(val too\): The median depth is 32896 m, .*; set `unit: mm` \(then it is 32.9"
        r" m\) or `scale: 1/256` \(then it is 128 m\)",
        entries={"x": {"kind": "depth"}},
    ),
    Fault(
        "depth-unit 256",
        "error",
        r"set `scale: 1/256` \(then it is 12.9 m\) or `unit: cm` \(then it is 33 m\)",
        every("x", lambda a: a // 10),
        entries={"x": {"kind": "depth"}},
    ),
    Fault(
        "depth-unit twice",
        "error",
        r"median depth is 0.0331 m, .*; set `unit: m` instead of `mm` \(then it is 33.1 m\)",
        every("x", lambda a: a // 1000),
        entries={"x": {"kind": "depth", "unit": "mm"}},
    ),
    Fault(
        "depth-unit relative",
        "error",
        r"if it is relative, in \[0, 1\] and 1 is near, set `kind: inverse_depth`",
        every(
            "x",
            lambda a: (a * (1000 / a.max())).astype(np.uint16),
        ),
        entries={"x": {"kind": "depth", "scale": "1/1000"}},
    ),
    Fault(
        "depth-range",
        "error",
        r"median depth is 33\d m, but networks only tell apart 1 to 200 m; set `unit: mm` instead"
        r" of `cm` \(then it is 33.1 m\), or scale the depth of so large a scene",
        entries={"x": {"kind": "depth", "unit": "cm"}},
    ),
    Fault(
        "depth-range scale",
        "error",
        r"0.549 m, .*; set `scale: 1` instead of `1/60` \(then it is 32.9 m\) or `unit: cm` instead"
        r" of `mm` \(then it is 5.49 m\), or scale the depth of so small a scene",
        entries={"x": {"kind": "depth", "unit": "mm", "scale": "1/60"}},
    ),
    Fault(
        "depth-range near",
        "error",
        r"0\.6\d+ m, but networks only tell apart 1 to 200 m; if it is right, write `range: "
        r"\[0\.4\d*, 0\.8\d*\]`, its 1st and 99th percentile, under `x`; if not, ",
        every("x", near),
    ),
    Fault(
        "depth-near",
        "warning",
        r"\d\d % of the depth is nearer than 1 m, .*; write `range: \[0\.\d+, 1\.\d+\]`, its 1st",
        every("x", lambda a: (near(a) * 1.6).astype(np.uint16)),
    ),
    Fault(
        "depth-outside",
        "warning",
        r"\d+ % of the depth is outside of the range 2 to 9 m, .*; write `range: \[0\.4\d*, 0\.8",
        every("x", near),
        {"x": {"kind": "depth", "unit": "mm", "range": [2, 9]}},
    ),
    Fault(
        "disparity-near",
        "warning",
        r"100 % of the disparity is above 20 % of the width, .*; write `range: \[0\.2\d*, 0\.5",
        every("x", lambda a: ((1.3 - near(a) / 1000) * 0.7 * WIDTH * 256).astype(np.uint16)),
        {"x": DISPARITY},
    ),
    Fault(
        "depth-unit both",
        "error",
        r"too near for any scene; set `unit: mm` instead of `cm` and `scale: 1` instead of"
        r" `1/90000` \(then it is 33 m\)",
        entries={"x": {"kind": "depth", "unit": "cm", "scale": 1 / 90000}},
    ),
    Fault(
        "depth-unit far",
        "warning",
        r"median depth is 16\d m, farther than in most scenes; if it is not so far, set `unit: cm`",
        entries={"x": {"kind": "depth", "scale": "1/200"}},
    ),
    Fault(
        "depth-code",
        "note",
        r"12 % of the valid pixels have the largest depth, 65.5 m; if that means sky",
        every("x", lambda a: set_to(65535, np.s_[:8])(a // 4)),
    ),
    Fault(
        "direction",
        "warning",
        r"^train \(val too\): The depth grows towards the bottom of 5 of 5 images.*`disparity`",
        every("x", lambda a: a[::-1].copy()),
    ),
    Fault(
        "direction disparity",
        "warning",
        r"The disparity falls towards the bottom of 5 of 5 images.*set the kind to `depth`",
        every("x", lambda a: inverted(a)[::-1].copy()),
        {"x": DISPARITY},
    ),
    Fault(
        "direction inverse",
        "warning",
        r"The inverse_depth falls towards the bottom",
        entries={"x": {"kind": "inverse_depth"}},
    ),
    Fault(
        "disparity-scale",
        "error",
        r"disparity reaches \d+ px in images that are 96 px wide, .*; `scale: 1/256` was forgotten",
        every("x", inverted),
        {"x": {"kind": "disparity"}},
    ),
    Fault(
        "disparity-scale twice",
        "error",
        r"Nine of ten disparities are below 0\.\d+ px.*`scale: 1/256` was applied twice",
        every("x", inverted),
        {"x": {"kind": "disparity", "scale": 1 / 65536}},
    ),
    Fault("x-constant", "error", r"holds only one value, 9 in the first", every("x", set_to(9000))),
    Fault(
        "x-constant-files",
        "warning",
        r"^train: The depth has only one value in 1 of 5 files \(first traina_0\)",
        first("x", set_to(9000)),
    ),
    Fault(
        "x-empty",
        "error",
        r"No pixel of the depth is valid; correct its kind",
        every("x", set_to(0)),
    ),
    Fault(
        "x-empty-files",
        "warning",
        r"^train: The depth has no valid pixel in 1 of 5 files",
        first("x", set_to(0)),
    ),
    Fault(
        "x-sparse",
        "warning",
        r"Only 3.1 % of the depth's pixels are valid; .*`lix data depth`",
        every("x", set_to(0, np.s_[:-2])),
    ),
    Fault(
        "normal-length",
        "error",
        r"set `scale: 2/255` and `offset: -1`",
        encoded_normals(lambda n: (n + 1) * 127.5 + np.arange(HEIGHT)[:, None, None] % 2),
        {"x": {"kind": "normal"}},
    ),
    Fault(
        "normal-length half",
        "error",
        r"without negative parts .*set `scale: 2` and `offset: -1`",
        encoded_normals(lambda n: (n + 1) * 127.5),
        {"x": {"kind": "normal", "scale": "1/255"}},
    ),
    Fault(
        "normal-length divide",
        "error",
        r"must have 1; divide each by its length",
        encoded_normals(lambda n: (n * [1, 0.5, 1] * 0.8 + 1) * 127.5),
        {"x": NORMAL},
    ),
    Fault(
        "channels-range",
        "error",
        r"channels go from 5\d+ to 6\d{4} but must lie in \[0, 1\]; set `scale: 1/65535`",
        every("x", lambda a: a),
        {"x": {"kind": "channels"}},
    ),
    Fault(
        "channels-range 8 bit",
        "error",
        r"must lie in \[0, 1\]; set `scale: 1/255`",
        every("x", eight_bits),
        {"x": {"kind": "channels"}},
    ),
    Fault("no-x", "note", r"There is no X, .*`lix data depth`", entries={"x": None}),
]


def test_near_depth_with_its_range_has_no_fault(make: Make) -> None:
    x = {"kind": "depth", "unit": "mm", "range": [0.4, 0.9]}
    findings = judged(make(every("x", near), x=x))
    assert [finding for finding in findings if finding.severity != "note"] == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(fault: Fault, make: Make) -> None:
    fault.assert_found(make)


def test_other_encodings_of_x_are_clean(make: Make) -> None:
    for entry, change in {
        "disparity": (DISPARITY, every("x", inverted)),
        "normal": (NORMAL, encoded_normals(lambda n: (n + 1) * 127.5 + 0.5)),
        "thermal": ({"kind": "channels", "scale": "1/255"}, every("x", eight_bits)),
        "relative": ({"kind": "inverse_depth"}, every("x", inverted)),
    }.values():
        assert judged(make(change, x=entry)) == []


def test_a_wrong_kind_explains_an_impossible_unit(make: Make) -> None:
    (finding,) = judged(make(every("x", inverted), x={"kind": "depth"}))
    assert (finding.severity, finding.rule) == ("error", "direction")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (None, "correct the unit or scale, or scale the depth of so small a scene"),
        (XFiles(kind="depth"), "; correct the unit or scale, or"),
        (XFiles(kind="depth", scale=0), "; correct the unit or scale, or"),
        (XFiles(kind="depth", offset=-1.4, scale=0.1), "set `scale: 1` instead of `1/10`"),
    ],
)
def test_a_unit_is_named_where_one_is_plausible(files: XFiles | None, says: str) -> None:
    x = XStatistics("depth", 1, files)
    depth = Depth(np.linspace(1.2, 0.4, 100, dtype=np.float32)[None, :, None].repeat(50, 2))
    x.add(Frame("train", "a", "a"), x_facts("depth", depth))
    (finding,) = x_rules(x, 50)
    assert finding.severity == "error"
    assert says in finding.text


def test_of_several_x_the_faulty_one_is_named(make: Make) -> None:
    root = make(x=[{"kind": "depth", "unit": "mm"}, {"kind": "depth"}], **TWICE)
    (finding,) = judged(root)
    assert str(finding).startswith("train (val too): X 2 of 2: The median depth is 32896 m")
