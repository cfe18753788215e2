"""Scores over an amount by which data differ, such as labels: a figure, and amounts that are equal.

The table answers: how many labels would the plain student need to be as good?
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lix.evaluation.figures import COLOURS, figure_text, tidy
from lix.study.definition import Study
from lix.study.results import BOUNDS, Row, Score

Curve = dict[float, Row]
"""Amount → the row of a method."""


def amount(data: str) -> float:
    """The number that a label of data begins with.

    >>> amount("40 labels")
    40.0
    """
    return float(data.split(maxsplit=1)[0])


def by_method(rows: Sequence[Row], network: str) -> dict[str, Curve]:
    """The rows of a network by method and amount."""
    curves: dict[str, Curve] = {}
    for row in rows:
        if row.network == network:
            curves.setdefault(row.method, {})[amount(row.data)] = row
    return {method: dict(sorted(curve.items())) for method, curve in curves.items()}


def over_amounts(curves: Mapping[str, Curve], unit: str, metric: str = "mIoU") -> Figure:
    """A line for each method over the amount, with 95 % intervals; teachers are dashed."""
    figure = Figure(figsize=(6.8, 3.8), layout="constrained")
    axes: Axes = figure.add_subplot()
    for number, (method, curve) in enumerate(curves.items()):
        scores = [row.scores[metric] for row in curve.values()]
        axes.errorbar(
            list(curve),
            [100 * score.mean for score in scores],
            [100 * (score.interval or 0.0) for score in scores],
            color=COLOURS[number % len(COLOURS)],
            linestyle="--" if next(iter(curve.values())).kind in BOUNDS else "-",
            marker="o",
            markersize=4,
            capsize=3,
            label=figure_text(method),
        )
    ticks = sorted({place for curve in curves.values() for place in curve})
    tidy(axes)
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(figure_text(unit))
    axes.set_ylabel(f"{metric} %, 95 % interval over seeds")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def amount_tables(study: Study, rows: Sequence[Row]) -> dict[str, list[dict[str, str]]]:
    """By heading, for each network: the amount of the plain student that equals each row's score.

    Over seeds, each with its own curve of the plain student, linear in mIoU over log(amount): the
    geometric mean, and its 95 % interval by Student's t. Where a seed's curve never is as good,
    the largest amount with `>`.
    """
    tables: dict[str, list[dict[str, str]]] = {}
    for network in study.networks if study.amounts else ():
        curves = by_method(rows, network)
        plain = next((c for c in curves.values() if next(iter(c.values())).kind == "none"), {})
        table = [
            {"method": method}
            | {row.data: _equal(plain, row.scores["mIoU"]) for row in curve.values()}
            for method, curve in curves.items()
            if next(iter(curve.values())).kind not in (*BOUNDS, "none")
        ]
        columns = list(dict.fromkeys(name for line in table for name in line))
        if plain and table:
            heading = f"{study.amounts} with which the plain student is as good, {network}"
            tables[heading] = [{name: line.get(name, "") for name in columns} for line in table]
    return tables


def _equal(plain: Curve, score: Score) -> str:
    """The plain student's amount for a score: `210 (150 to 290)`, or `> 3360`."""
    logs: dict[int, float] = {}
    for seed, value in score.values.items():
        curve = [
            (place, row.scores["mIoU"].values[seed])
            for place, row in plain.items()
            if seed in row.scores["mIoU"].values
        ]
        if curve:
            logs[seed] = math.log(needed(curve, value))
    if not logs:
        return ""
    if not all(map(math.isfinite, logs.values())):
        return f"> {max(plain):g}"
    middle, half = fmean(logs.values()), Score(logs).interval
    if half is None:
        return f"{math.exp(middle):.0f}"
    low, high = (math.exp(middle + sign * half) for sign in (-1, 1))
    return f"{math.exp(middle):.0f} ({low:.0f} to {high:.0f})"


def needed(curve: Sequence[tuple[float, float]], score: float) -> float:
    """The first amount at which a curve of (amount, score) is as good; ∞ where it never is.

    Between two amounts the score is linear in the logarithm of the amount.

    >>> needed([(10, 0.2), (1000, 0.6)], 0.4)
    100.0
    """
    if curve[0][1] >= score:
        return curve[0][0]
    for (low, before), (high, after) in pairwise(curve):
        if after >= score:
            share = (score - before) / (after - before)
            return float(round(low * (high / low) ** share, 6))
    return math.inf
