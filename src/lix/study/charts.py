"""Curves of a page as lines of an SVG that its style sheet colours and its script highlights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.ticker import MaxNLocator

from lix.study.plots import RAW, WATCHED, Curve, curves
from lix.study.results import CompletedRun


class Box(NamedTuple):
    """Where things are in the SVG of a chart; ticks are left of the lines and below them."""

    width: int = 400
    height: int = 230
    left: int = 46
    right: int = 386
    top: int = 8
    bottom: int = 206


BOX = Box()
DASH = 3
"""Half the length of the dash that a single epoch is."""

Tick = tuple[float, str]
"""Place in the view box, and number."""


@dataclass(frozen=True)
class Line:
    """A method over epochs."""

    method: str
    points: str
    """Means, as SVG's `points`."""
    band: str
    """Outline of the range over seeds; empty where there is only one."""


@dataclass(frozen=True)
class Chart:
    """One quantity, or one map of it, over epochs."""

    title: str
    lines: Sequence[Line]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def charts(runs: Sequence[CompletedRun]) -> dict[str, list[Chart]]:
    """What was watched over several epochs: label of the quantity → a chart, or one a map."""
    watched = {label: curves(runs, quantity) for quantity, label in WATCHED.items()}
    return {
        label: [
            _chart(_title(panel), methods, _limits(panels)) for panel, methods in panels.items()
        ]
        for label, panels in watched.items()
        if any(len(curve) > 1 for methods in panels.values() for curve in methods.values())
    }


def _title(panel: str) -> str:
    return f"{panel.removeprefix(RAW)}, raw" if panel.startswith(RAW) else panel


@dataclass(frozen=True)
class _Limits:
    """Ends of both axes, shared by the charts of one quantity."""

    last_epoch: int
    low: float
    high: float

    def x(self, epoch: float) -> float:
        share = (epoch - 1) / max(1, self.last_epoch - 1)
        return BOX.left + share * (BOX.right - BOX.left)

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return BOX.bottom - share * (BOX.bottom - BOX.top)


def _limits(panels: Mapping[str, Mapping[str, Curve]]) -> _Limits:
    points = [p for methods in panels.values() for curve in methods.values() for p in curve]
    values = [v for _, *three in points for v in three if math.isfinite(v)] or [0.0]
    return _Limits(max(point[0] for point in points) + 1, min(values), max(values))


def _chart(title: str, methods: Mapping[str, Curve], limits: _Limits) -> Chart:
    epochs = MaxNLocator(5, integer=True).tick_values(1, limits.last_epoch)
    values = MaxNLocator(5).tick_values(limits.low, limits.high)
    return Chart(
        title,
        [_line(method, curve, limits) for method, curve in methods.items()],
        [(round(limits.x(e), 1), f"{e:g}") for e in epochs if 1 <= e <= limits.last_epoch],
        [(round(limits.y(v), 1), f"{v:g}") for v in values if limits.low <= v <= limits.high],
    )


def _line(method: str, curve: Curve, limits: _Limits) -> Line:
    finite = [(epoch + 1, *three) for epoch, *three in curve if all(map(math.isfinite, three))]

    shifts = (-DASH, DASH) if len(finite) == 1 else (0,)

    def places(column: int) -> list[str]:
        return [
            f"{limits.x(p[0]) + shift:.1f},{limits.y(p[column]):.1f}"
            for p in finite
            for shift in shifts
        ]

    has_range = any(high > low for _, _, low, high in finite)
    band = " ".join([*places(2), *reversed(places(3))]) if has_range else ""
    return Line(method, " ".join(places(1)), band)
