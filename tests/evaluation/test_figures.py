"""The curves of a run are what its history says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lix.evaluation.figures import run_curves, save_figure

HISTORY = [
    (epoch, name, value / (epoch + 1))
    for epoch in range(3)
    for name, value in {
        "loss": 3.0,
        "loss_hard": 2.0,
        "loss_kd": 1.0,
        "val_loss": 4.0,
        "val_mIoU": 0.5,
        "lr": 0.1,
        "seconds": 9.0,
    }.items()
]


def lines(figure: object) -> dict[str, list[float]]:
    return {
        line.get_label(): list(line.get_ydata())
        for axes in figure.axes
        for line in axes.get_lines()
    }


def test_curves_are_the_history_with_epochs_from_one(tmp_path: Path) -> None:
    figure = run_curves(HISTORY)
    drawn = lines(figure)
    assert list(drawn) == ["training", "validation", "hard", "kd", "mIoU", "lr"]
    assert drawn["kd"] == pytest.approx([1, 1 / 2, 1 / 3])
    assert drawn["mIoU"] == pytest.approx([50, 25, 50 / 3])
    assert {tuple(line.get_xdata()) for axes in figure.axes for line in axes.get_lines()} == {
        (1, 2, 3)
    }
    assert save_figure(figure, tmp_path / "a" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_only_term_is_not_drawn_twice() -> None:
    only = [row for row in HISTORY if row[1] != "loss_kd"]
    assert list(lines(run_curves(only))) == ["training", "validation", "mIoU", "lr"]
