"""Tables of a page: the cells of every row, the best of a column marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from lix.evaluation.metrics import METRICS
from lix.study.details import Bold, by_class, costs
from lix.study.results import BOUNDS
from lix.study.tables import ResultGroup, Table

LOWER_IS_BETTER = ("ms a step", "peak memory MB", "training min")


@dataclass(frozen=True)
class Cell:
    """Text of a table."""

    text: str
    is_bold: bool = False
    is_best: bool = False
    share: float | None = None
    """Length of a bar behind the text, a share of the cell's width in [0, 1]; None: no bar."""


Sheet = list[dict[str, Cell]]
"""Rows of cells by column; all have the columns of the first."""


def text_sheet(table: Table) -> Sheet:
    """A table of text without the columns that are empty in all rows."""
    columns = [name for name in table[0] if any(row[name] for row in table)]
    return [
        {name: Cell(row[name], is_bold=isinstance(row[name], Bold)) for name in columns}
        for row in table
    ]


def score_sheet(group: ResultGroup) -> Sheet:
    """Scores of a group: a row for each method."""
    sheet = text_sheet(group.table)
    for metric in METRICS:
        means = [row.scores[metric].mean for row in group.rows]
        _mark(sheet, f"{metric} %", means, _competitors(group), max)
    return sheet


def class_sheet(group: ResultGroup) -> Sheet:
    """IoU of a group by class, in percent: a row for each method."""
    return _frame_sheet(group, by_class(group.runs), _percent, lambda _: max, bars=True)


def cost_sheet(group: ResultGroup) -> Sheet:
    """What training costs: a row for each method."""
    return _frame_sheet(
        group,
        costs(group.runs),
        lambda value: "–" if math.isnan(value) else f"{value:.2f}",
        lambda name: min if name in LOWER_IS_BETTER else None,
    )


Best = Callable[[Sequence[float]], float]


def _frame_sheet(
    group: ResultGroup,
    frame: pd.DataFrame,
    text: Callable[[float], str],
    best: Callable[[str], Best | None],
    *,
    bars: bool = False,
) -> Sheet:
    frame = frame.loc[[row.method for row in group.rows]]
    names = [str(name) for name in frame.columns]
    sheet: Sheet = [
        {"method": Cell(str(method))}
        | {
            name: Cell(text(value), share=0.0 if math.isnan(value) else value)
            if bars
            else Cell(text(value))
            for name, value in zip(names, values, strict=True)
        }
        for method, values in zip(frame.index, frame.to_numpy().tolist(), strict=True)
    ]
    competitors = _competitors(group)
    for name, column in zip(names, frame.to_numpy().T.tolist(), strict=True):
        if (chosen := best(name)) is not None:
            _mark(sheet, name, column, competitors, chosen)
    return sheet


def _competitors(group: ResultGroup) -> Mapping[str, bool]:
    """Method → whether it is a student that others may beat, and no bound."""
    return {row.method: row.kind not in BOUNDS for row in group.rows}


def _mark(
    sheet: Sheet, name: str, values: Sequence[float], competes: Mapping[str, bool], best: Best
) -> None:
    """Mark the best of the students in a column, where they differ as shown."""
    places = [
        i
        for i, row in enumerate(sheet)
        if competes[row["method"].text] and not math.isnan(values[i])
    ]
    if len({sheet[i][name].text for i in places}) < 2:
        return
    target = best([values[i] for i in places])
    shown = {sheet[i][name].text for i in places if values[i] == target}
    for i in places:
        if sheet[i][name].text in shown:
            sheet[i][name] = replace(sheet[i][name], is_best=True)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}"
