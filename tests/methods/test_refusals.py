"""Arguments that no method in the catalog may accept; each is refused with one sentence."""

from __future__ import annotations

import pytest

from lix.core.registry import entries
from lix.methods import build_method
from lix.networks import SegOutput
from tests.methods.catalog import (
    DISTILLING,
    METHODS,
    PAIRS,
    SEES_LOGITS,
    K,
    build,
    detached,
    outputs,
)


@pytest.mark.parametrize("name", SEES_LOGITS)
def test_class_count_mismatch_is_one_sentence(name: str) -> None:
    student, teacher, target = outputs()
    wrong = SegOutput(teacher.logits[:, :-1], teacher.features)
    with pytest.raises(ValueError, match="the same shape"):
        build(name)(student, wrong, target)


def test_feature_method_without_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        build_method("arfd", [], K)


@pytest.mark.parametrize("name", DISTILLING)
@pytest.mark.parametrize("short", ["student", "teacher", "target"])
def test_batches_of_other_sizes_are_one_sentence(name: str, short: str) -> None:
    student, teacher, target = outputs()
    given = {"student": student, "teacher": SegOutput(*detached(teacher)), "target": target}
    part = given[short]
    if short == "target":
        given[short] = part[:1]
    else:
        given[short] = SegOutput(part.logits[:1], {k: f[:1] for k, f in part.features.items()})
    with pytest.raises(ValueError, match=r"must .*got"):
        build(name)(**given)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("value", [-100, -1, K, 254])
def test_another_ignore_value_is_one_sentence(name: str, value: int) -> None:
    student, teacher, target = outputs()
    target[target == 255] = value
    with pytest.raises(ValueError, match=rf"\[0, {K}\) or be 255 \(ignored\), got {value}"):
        build(name)(student, SegOutput(*detached(teacher)), target)


@pytest.mark.parametrize("name", METHODS)
def test_a_target_with_a_channel_is_one_sentence(name: str) -> None:
    student, teacher, target = outputs()
    with pytest.raises(ValueError, match=r"must have .*got .*; use target\.squeeze\(1\)"):
        build(name)(student, SegOutput(*detached(teacher)), target.unsqueeze(1))
    with pytest.raises(ValueError, match=r"must hold integers, got torch\.float32"):
        build(name)(student, SegOutput(*detached(teacher)), target.float())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("kd", {"temperature": 0}),
        ("cwkd", {"temperature": -1}),
        ("at", {"p": 0}),
        ("ft", {"passes": -3}),
        ("ft", {"k": 0}),
        ("maskd", {"tokens": 0}),
        ("afdcd", {"groups": 0}),
        ("afdcd", {"pool": 0}),
        ("afdcd", {"mask_ratio": 1.5}),
        ("vid", {"variance": 0}),
    ],
)
def test_options_out_of_range_are_one_sentence(name: str, options: dict[str, float]) -> None:
    kind = entries("methods")[name].load().kind
    pairs = PAIRS if kind in ("feature", "both") else []
    with pytest.raises(ValueError, match=r"must be .*got"):
        build_method(name, pairs, K, **options)
