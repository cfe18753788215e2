"""The HTML page about runs: of `lix report`, `lix study report` and `lix demo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from lix.core.files import write_text
from lix.study.charts import BOX, charts
from lix.study.cross import cross_cells, crossed
from lix.study.records import Record
from lix.study.results import BOUNDS, CompletedRun, Results, Row
from lix.study.sheets import class_sheet, cost_sheet, score_sheet, text_sheet
from lix.study.tables import ResultGroup, note, result_groups
from lix.study.viewer import view

FEW = 8
"""Number of rows up to which all curves have a colour, and number of the page's colours."""
HIGHLIGHTED = 3
"""Number of the best students that have one where rows are more; teacher and plain student have."""


def write_page(results: Results, path: Path, *, headline: str = "") -> None:
    """Write tables that sort, scores, curves, pictures with a slider, costs, settings.

    The file needs no network: styles, script and pictures are inside. Runs whose validation data
    or weights are not on this disk have no pictures, which the page says.

    Args:
        results: what the page is about.
        path: the HTML file.
        headline: a sentence shown above all.
    """
    environment = Environment(
        loader=PackageLoader("lix.study"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    across = cross_cells(results.study, crossed(results))
    page = environment.get_template("page.html").render(
        title=results.study.title or results.study.name,
        headline=headline,
        note=note(results),
        box=BOX,
        parts=[_part(group) for group in result_groups(results)],
        across={heading: text_sheet(table) for heading, table in across.items()},
        settings={_label(one): _settings(one) for one in results.runs},
        warnings={_label(one): one.record.result.get("warnings", []) for one in results.runs},
    )
    write_text(path, page)


def _part(group: ResultGroup) -> dict[str, Any]:
    """What the page shows of one data set and network."""
    first: dict[str, Record] = {}
    for one in group.runs:
        first.setdefault(one.planned.method, one.record)
    return {
        "heading": group.heading,
        "scores": score_sheet(group),
        "points": _points(group),
        "styles": _styles(group),
        "curves": charts(group.runs),
        "classes": class_sheet(group),
        "costs": cost_sheet(group),
        "viewer": view(first),
    }


@dataclass(frozen=True)
class Style:
    """How a row looks in charts."""

    colour: int
    dashed: bool
    is_on: bool
    """Whether it has its colour from the start."""


def _styles(group: ResultGroup) -> Mapping[str, Style]:
    """Method → style. Those that are on from the start have colours of their own."""
    rows = group.rows
    on = {row.method for row in rows}
    if len(rows) > FEW:
        students = [row for row in rows if row.kind not in BOUNDS and row is not group.student]
        best = sorted(students, key=_mean, reverse=True)[:HIGHLIGHTED]
        references = [row for row in (group.teacher, group.student) if row is not None]
        on = {row.method for row in [*references, *best]}
    order = sorted((row.method for row in rows), key=lambda method: method not in on)
    numbers = {method: number for number, method in enumerate(order)}
    return {
        row.method: Style(
            numbers[row.method] % FEW, numbers[row.method] % (2 * FEW) >= FEW, row.method in on
        )
        for row in rows
    }


def _mean(row: Row) -> float:
    return row.scores["mIoU"].mean


@dataclass(frozen=True)
class Point:
    """mIoU of a row in percent, and where it stands between the ends of the axis, in percent."""

    method: str
    text: str
    place: float
    low: float
    high: float
    """Ends of its 95 % interval; both its place where there is none."""


def _points(group: ResultGroup) -> list[Point]:
    scores = [row.scores["mIoU"] for row in group.rows]
    halves = [score.interval or 0.0 for score in scores]
    means = [score.mean for score in scores]
    lowest = min(mean - half for mean, half in zip(means, halves, strict=True))
    highest = max(mean + half for mean, half in zip(means, halves, strict=True))
    span = (highest - lowest) or 1.0

    def place(value: float) -> float:
        return 100 * (value - lowest) / span

    return [
        Point(row.method, str(score), place(mean), place(mean - half), place(mean + half))
        for row, score, mean, half in zip(group.rows, scores, means, halves, strict=True)
    ]


def _label(one: CompletedRun) -> str:
    planned = one.planned
    return f"{planned.data}, {planned.network}, {planned.method}, seed {planned.seed}"


def _settings(one: CompletedRun) -> str:
    return yaml.safe_dump(one.record.recipe.model_dump(mode="json"), sort_keys=False)
