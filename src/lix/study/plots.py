"""Figures of a study: scores with intervals, and what was watched over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lix.evaluation.figures import COLOURS, figure_text, save_figure, tidy
from lix.study.amounts import by_method, over_amounts
from lix.study.escape import file_name
from lix.study.pictures import draw
from lix.study.records import Record
from lix.study.results import CompletedRun, Results
from lix.study.tables import ResultGroup, result_groups

KINDS = {"none": "#718096", "logit": "#2b6cb0", "feature": "#c05621", "both": "#2f855a"}
"""Colour of a point by what is distilled."""
WATCHED = {
    "val_mIoU": "validation mIoU",
    "loss_hard": "cross-entropy in training",
    "beta_mean": "mean β",
    "beta_std": "spread of β",
    "cka_": "CKA of the maps",
}
"""Quantity of the history, or the beginning of several → axis."""

RAW = "raw_"
"""Panels of maps as the networks give them, not recalibrated."""
STYLES = [(colour, style) for style in ("-", "--", ":", "-.") for colour in COLOURS]

Curve = list[tuple[int, float, float, float]]
"""Epoch, mean, lowest and highest over seeds."""


def write_figures(results: Results, folder: Path) -> list[Path]:
    """Write PNG and SVG figures of the finished runs of a study.

    Args:
        results: what is drawn.
        folder: for the figures.

    Returns:
        The files.

    Raises:
        ValueError: pictures need weights or data that are not here; the figures before them are
            written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study = results.study
    files: list[Path] = []
    groups = result_groups(results)
    if study.amounts:
        for network in study.networks:
            growth = by_method([row for group in groups for row in group.rows], network)
            grown = over_amounts(growth, study.amounts)
            files += _save(grown, folder, f"{file_name(network)}-amounts")
    for group in groups:
        place = file_name(f"{group.data}-{group.network}")
        files += _save(scores(group), folder, f"{place}-scores")
        if study.sweep and (swept := sweep(group, study.sweep)):
            files += _save(swept, folder, f"{place}-{file_name(study.sweep)}")
        for quantity, label in WATCHED.items():
            panels = curves(group.runs, quantity)
            if panels:
                name = f"{place}-{quantity.strip('_')}"
                files += _save(over_epochs(panels, label), folder, name)
        first: dict[str, Record] = {}
        for one in group.runs:
            first.setdefault(one.planned.method, one.record)
        for number, shown in enumerate(study.pictures):
            name = f"{place}-{shown.kind}-{number + 1}"
            files += _save(draw(shown, first), folder, name)
    return files


def scores(group: ResultGroup, metric: str = "mIoU") -> Figure:
    """A point for each student with its 95 % interval; teacher and plain student are lines."""
    students = [row for row in group.rows if row.kind != "teacher"]
    figure = Figure(figsize=(6.4, 0.9 + 0.26 * len(students)), layout="constrained")
    axes: Axes = figure.add_subplot()
    places = range(len(students))
    means = [100 * row.scores[metric].mean for row in students]
    intervals = [100 * (row.scores[metric].interval or 0.0) for row in students]
    for place, row, mean, interval in zip(places, students, means, intervals, strict=True):
        colour = KINDS[row.kind]
        axes.errorbar(mean, place, xerr=interval or None, color=colour, marker="o", capsize=3)
    axes.set_yticks(places, [figure_text(row.method) for row in students])
    axes.set_ylim(len(students) - 0.5, -0.5)
    references = [row for row in (group.teacher, group.student) if row is not None]
    for row, style in zip(references, ("--", ":"), strict=False):
        value = 100 * row.scores[metric].mean
        axes.axvline(
            value, color="#1a202c", linestyle=style, linewidth=1, label=figure_text(row.method)
        )
    axes.set_xlabel(f"{metric} %, 95 % interval over seeds; {figure_text(group.heading)}")
    axes.spines[["top", "right"]].set_visible(False)
    if references:
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def sweep(group: ResultGroup, option: str, metric: str = "mIoU") -> Figure | None:
    """A metric over an option of a method; students without that option are lines across."""
    places = {
        one.planned.method: float(one.record.recipe.distill.options[option])
        for one in group.runs
        if one.record.recipe.distill and option in one.record.recipe.distill.options
    }
    points = sorted(
        ((places[row.method], row) for row in group.rows if row.method in places),
        key=lambda point: point[0],
    )
    if not points:
        return None
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    axes: Axes = figure.add_subplot()
    means = [100 * row.scores[metric].mean for _, row in points]
    intervals = [100 * (row.scores[metric].interval or 0.0) for _, row in points]
    axes.errorbar([x for x, _ in points], means, intervals, marker="o", capsize=3, label=option)
    others = [r for r in group.rows if r.kind != "teacher" and r.method not in places]
    for colour, row in zip(COLOURS, others, strict=False):
        score = row.scores[metric]
        mean, half = 100 * score.mean, 100 * (score.interval or 0.0)
        axes.axhline(
            mean, color=colour, linestyle="--", linewidth=1.4, label=figure_text(row.method)
        )
        axes.axhspan(mean - half, mean + half, color=colour, alpha=0.12, linewidth=0)
    axes.set_xlabel(f"{option}; {figure_text(group.heading)}")
    axes.set_ylabel(f"{metric} %, 95 % interval over seeds")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def curves(runs: Sequence[CompletedRun], quantity: str) -> dict[str, dict[str, Curve]]:
    """A quantity over epochs by panel and method, over seeds.

    `cka_` stands for all quantities that begin so, each of which is a panel: `enc2`, `enc3`, …,
    then `raw_enc2`, …; another quantity is one panel without a name.
    """
    values: dict[str, dict[str, dict[int, list[float]]]] = {}
    for one in runs:
        for epoch, name, value in one.record.history:
            if name == quantity or (quantity.endswith("_") and name.startswith(quantity)):
                methods = values.setdefault(name.removeprefix(quantity), {})
                by_epoch = methods.setdefault(one.planned.method, {})
                by_epoch.setdefault(epoch, []).append(value)
    return {
        panel: {
            method: [(e, fmean(v), min(v), max(v)) for e, v in sorted(by_epoch.items())]
            for method, by_epoch in methods.items()
        }
        for panel, methods in sorted(values.items(), key=lambda item: item[0].startswith(RAW))
    }


def over_epochs(panels: Mapping[str, Mapping[str, Curve]], label: str) -> Figure:
    """Means as lines, the range over seeds as bands; a panel for each map, raw ones below."""
    rows = 2 if any(panel.startswith(RAW) for panel in panels) else 1
    columns = -(-len(panels) // rows)
    figure = Figure(figsize=(4.6 + 2.6 * columns, 4.0 if rows == 1 else 5.6), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    styles: dict[str, tuple[str, str]] = {}
    for method in (method for methods in panels.values() for method in methods):
        styles.setdefault(method, STYLES[len(styles) % len(STYLES)])
    for axes, (panel, methods) in zip(grid.flat, panels.items(), strict=False):
        for method, curve in methods.items():
            _line(axes, curve, method, *styles[method])
        raw = panel.startswith(RAW)
        axes.set_title(f"{panel.removeprefix(RAW)}, raw" if raw else panel, fontsize=9)
    for axes in grid.flat:
        tidy(axes)
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel(label, fontsize=10)
    handles = {line.get_label(): line for axes in grid.flat for line in axes.get_lines()}
    figure.legend(handles=handles.values(), loc="outside right upper", frameon=False, fontsize=7)
    return figure


def _line(axes: Axes, curve: Curve, name: str, colour: str, style: str) -> None:
    epochs = [epoch + 1 for epoch, *_ in curve]
    means, lows, highs = ([point[i] for point in curve] for i in (1, 2, 3))
    axes.plot(epochs, means, color=colour, linestyle=style, linewidth=1.4, label=figure_text(name))
    axes.fill_between(epochs, lows, highs, color=colour, alpha=0.12, linewidth=0)


def _save(figure: Figure, folder: Path, name: str) -> list[Path]:
    return [save_figure(figure, folder / f"{name}.{form}") for form in ("png", "svg")]
