"""Scores over an amount of labels: which amount is as good, the figure, the settings of data."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from lix.study.amounts import amount_tables, by_method, needed, over_amounts
from lix.study.definition import Study
from lix.study.plan import plan
from lix.study.results import Row, Score

ENTRIES = {
    "name": "labels",
    "settings": {"training": {"epochs": 50}},
    "data": {
        "20 labels": {"root": "b", "settings": {"training": {"epochs": 100}}},
        "40 labels": {"root": "a"},
    },
    "networks": {"mfnet": {}},
    "methods": ["none", {"method": "kd", "label": "KD", "data": ["20 labels"]}],
    "seeds": [0],
    "amounts": "labels",
}


def row(data: str, method: str, kind: str, *values: float) -> Row:
    return Row(data, "mfnet", method, kind, {"mIoU": Score(dict(enumerate(values)))}, 1.0)


ROWS = [
    row("10 labels", "teacher", "teacher", 0.5),
    row("10 labels", "none", "none", 0.2, 0.3),
    row("1000 labels", "none", "none", 0.6, 0.7),
    row("10 labels", "KD", "logit", 0.4, 0.4),
    row("1000 labels", "KD", "logit", 0.65, 0.6),
]


def test_the_amount_needed_is_linear_in_its_logarithm() -> None:
    curve = [(10.0, 0.2), (100.0, 0.1), (1000.0, 0.6)]
    assert needed(curve, 0.1) == 10
    assert needed(curve, 0.35) == pytest.approx(10**2.5)
    assert needed(curve, 0.6) == 1000
    assert needed(curve, 0.61) == math.inf


def test_equal_amounts_are_means_over_seeds_with_their_interval() -> None:
    study = Study.model_validate(ENTRIES | {"data": {"10 labels": {}, "1000 labels": {}}})
    (table,) = amount_tables(study, ROWS).values()
    # seed 0 needs 100, seed 1 10^1.5: 56.2, and ± t(0.975, 1) · |ln 10^0.5| / 2 around it
    half = 12.7062047 * math.log(10) / 4
    low, high = (math.exp(math.log(10**1.75) + sign * half) for sign in (-1, 1))
    assert table == [
        {"method": "KD", "10 labels": f"56 ({low:.0f} to {high:.0f})", "1000 labels": "> 1000"}
    ]
    assert amount_tables(study.model_copy(update={"amounts": None}), ROWS) == {}
    one = [r for r in ROWS if r.method != "none"]
    assert amount_tables(study, one) == {}, "without a plain student there is nothing to equal"


def test_the_figure_has_a_line_for_each_method() -> None:
    figure = over_amounts(by_method(ROWS, "mfnet"), "labels")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["10", "1000"]
    lines = {bars.get_label(): bars.lines[0] for bars in axes.containers}
    assert lines.keys() == {"teacher", "none", "KD"}
    assert list(lines["KD"].get_xdata()) == [10, 1000]
    assert list(lines["KD"].get_ydata()) == pytest.approx([40, 62.5])


def test_data_have_settings_of_their_own_and_rows_data_of_theirs(tmp_path: Path) -> None:
    runs = plan(Study.model_validate(ENTRIES), tmp_path)
    epochs = {(r.data, r.method): r.job.recipe.training.epochs for r in runs}
    assert epochs == {
        ("20 labels", "teacher"): 100,
        ("40 labels", "teacher"): 50,
        ("20 labels", "none"): 100,
        ("20 labels", "KD"): 100,
        ("40 labels", "none"): 50,
    }


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"data": {"20 labels": {"settings": {"output": "x"}}}}, "a study sets output itself"),
        ({"data": {"20 labels": {"settings": 3}}}, "the settings of data are sections"),
        ({"data": {"few labels": {}}, "methods": ["none"]}, "'few labels' are not called `NUMBER"),
        ({"methods": [{"method": "kd", "data": ["30 labels"]}]}, "data of the study '30 labels'"),
    ],
)
def test_what_does_not_fit_is_named(
    entries: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(ENTRIES | entries))
    with pytest.raises(ValueError, match=message):
        Study.load(path)
