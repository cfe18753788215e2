"""Figures of a study: every finished method is in them, with its interval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lix.evaluation.metrics import METRICS
from lix.study.plots import curves, over_epochs, scores, sweep, write_figures
from lix.study.results import load_results
from lix.study.tables import result_groups
from tests.study.conftest import FINAL, STUDY


def test_scores_show_every_student_and_its_interval(output: Path) -> None:
    (group,) = result_groups(load_results(STUDY, output))
    (axes,) = scores(group).axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["none", "KD", "AT"]
    for container, row in zip(axes.containers, group.rows[1:], strict=True):
        point, _, (bar,) = container
        assert point.get_xdata()[0] == pytest.approx(100 * row.scores["mIoU"].mean)
        (left, _), (right, _) = bar.get_segments()[0]
        assert right - left == pytest.approx(200 * row.scores["mIoU"].interval)
    assert [line.get_label() for line in axes.get_lines() if line.get_linestyle() == "--"] == [
        "teacher"
    ]


def test_curves_are_means_and_ranges_over_seeds(output: Path) -> None:
    (panel,) = curves(load_results(STUDY, output).runs, "val_mIoU").values()
    assert list(panel) == ["teacher", "none", "KD", "AT"]
    epoch, mean, low, high = panel["KD"][2]
    assert epoch == 2
    assert mean == pytest.approx(np.mean(FINAL["KD"]) + 0.01)
    assert (low, high) == pytest.approx((min(FINAL["KD"]) + 0.01, max(FINAL["KD"]) + 0.01))
    assert curves(load_results(STUDY, output).runs, "beta_mean") == {}
    assert list(curves(load_results(STUDY, output).runs, "val_")) == list(METRICS)


def test_maps_have_a_panel_each_and_raw_ones_stand_below() -> None:
    curve = [(0, 0.5, 0.4, 0.6), (1, 0.7, 0.6, 0.8)]
    figure = over_epochs(
        {
            "enc2": {"LIX": curve, "none": curve},
            "enc3": {"LIX": curve},
            "raw_enc2": {"none": curve},
        },
        "CKA",
    )
    grid = figure.axes
    assert [axes.get_title() for axes in grid] == ["enc2", "enc3", "enc2, raw", ""]
    assert list(grid[1].get_lines()[0].get_ydata()) == [0.5, 0.7]
    assert grid[2].get_lines()[0].get_color() == grid[0].get_lines()[1].get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["LIX", "none"]


def test_files_are_pictures_and_the_same_again(output: Path) -> None:
    results = load_results(STUDY, output)
    files = write_figures(results, output / "figures")
    assert {f.name for f in files} == {
        f"streets-mfnet-{name}.{form}" for name in ("scores", "val_mIoU") for form in ("png", "svg")
    }
    for file in files:
        if file.suffix == ".png":
            assert np.asarray(Image.open(file).convert("L")).std() > 5
    before = [f.read_bytes() for f in files]
    assert [
        f.read_bytes() for f in write_figures(load_results(STUDY, output), output / "figures")
    ] == before


def test_sweep_is_a_curve_over_the_option(output: Path) -> None:
    results = load_results(STUDY, output)
    for one in results.runs:
        if one.planned.method in ("KD", "AT"):
            one.record.recipe.distill.options["beta"] = {"KD": 4, "AT": 2}[one.planned.method]
    (group,) = result_groups(results)
    figure = sweep(group, "beta")
    assert figure is not None
    (axes,) = figure.axes
    line = axes.containers[0][0]
    assert list(line.get_xdata()) == [2.0, 4.0]
    means = {row.method: 100 * row.scores["mIoU"].mean for row in group.rows}
    assert list(line.get_ydata()) == pytest.approx([means["AT"], means["KD"]])
    (across,) = [one for one in axes.get_lines() if one.get_linestyle() == "--"]
    assert across.get_label() == "none"
    assert sweep(group, "gamma") is None
