"""Pairs of maps that `lix.pair` proposes."""

from __future__ import annotations

import math
from itertools import combinations, product
from types import SimpleNamespace
from typing import cast

import pytest

import lix
from lix.methods import FeaturePair
from lix.networks import FeatureSpec, SegNetwork


def net(strides: dict[str, int] | tuple[int, ...]) -> SegNetwork:
    named = strides if isinstance(strides, dict) else {f"m{i}": s for i, s in enumerate(strides)}
    specs = {name: FeatureSpec(4 * s, s) for name, s in named.items()}
    return cast(SegNetwork, SimpleNamespace(feature_specs=specs, default_features=tuple(specs)))


def test_prints_a_table_and_code_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    teacher, student = net({"enc4": 8, "enc5": 8}), net({"a": 4, "b": 8, "c": 16})
    pairing = lix.pair(teacher, student)
    printed = capsys.readouterr().out
    table, code = printed.split("\n\n")
    assert table.splitlines()[1].split() == ["b", "32", "8", "enc4", "32", "8"]
    scope = {"FeaturePair": FeaturePair, "teacher": teacher, "student": student}
    exec(code, scope)
    assert tuple(scope["pairs"]) == pairing.pairs


def test_leaves_out_what_has_no_partner() -> None:
    teacher = lix.build_network("mfnet", 5, 1)
    student = net({f"enc{i}": 2 ** (i + 1) for i in (1, 2, 3, 4)})
    assert lix.pair(teacher, student, show=False).student == ("enc1", "enc2", "enc3")


def test_many_maps_are_quick_and_the_choice_is_the_best() -> None:
    """Against all choices, on every small pair of stride lists."""

    def cost(ours: tuple[int, ...], theirs: tuple[int, ...], most: int) -> float:
        both = zip(ours, theirs, strict=True)
        return sum(abs(math.log2(a / b)) for a, b in both) + 1.5 * (most - len(ours))

    lists = [(2,), (4, 8), (8, 4), (2, 4, 16), (1, 8, 8, 32), (4, 8, 16, 32)]
    for s, t in product(lists, lists):
        most = min(len(s), len(t))
        best = min(
            cost(a, b, most)
            for n in range(1, most + 1)
            for a in combinations(s, n)
            for b in combinations(t, n)
        )
        pairing = lix.pair(net(t), net(s), show=False).pairs
        chosen = cost(
            tuple(p[0].stride for p in pairing), tuple(p[1].stride for p in pairing), most
        )
        assert chosen == pytest.approx(best)
    many = net((2, 4, 8, 16, 32) * 8)
    assert len(lix.pair(many, many, show=False).pairs) == 40
