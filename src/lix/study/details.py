"""Further tables of a study: IoU by class, and what a method costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from lix.study.escape import markdown
from lix.study.results import CompletedRun


def by_class(runs: Sequence[CompletedRun]) -> pd.DataFrame:
    """Method × class: mean IoU of the best checkpoints over seeds, NaN where none occurs."""
    return _over_seeds(runs, [one.record.result["iou"] for one in runs])


def costs(runs: Sequence[CompletedRun]) -> pd.DataFrame:
    """Method × cost, means over seeds; a step is one of training, without evaluations."""
    rows = [
        {
            "ms a step": 1000 * one.seconds_per_step,
            "peak memory MB": one.record.result["peak_memory_mb"],
            "training min": one.record.result["seconds"] / 60,
            "M parameters": one.record.result["parameters"] / 1e6,
        }
        for one in runs
    ]
    table = _over_seeds(runs, rows)
    plain = [one.planned.method for one in runs if one.record.method == "none"]
    if plain:
        step = table["ms a step"]
        table["× plain student"] = step / float(step[plain[0]])
    return table


def _over_seeds(
    runs: Sequence[CompletedRun], rows: Sequence[Mapping[str, float | None]]
) -> pd.DataFrame:
    methods = [one.planned.method for one in runs]
    table = pd.DataFrame(list(rows), index=methods, dtype=float)
    return table.groupby(level=0, sort=False).mean()


def class_table(runs: Sequence[CompletedRun]) -> str:
    """Markdown: IoU in percent, a row for each class, a column for each method."""
    return markdown_table(
        [
            {"class": str(name)} | {str(m): _percent(value) for m, value in row.items()}
            for name, row in by_class(runs).T.iterrows()
        ]
    )


def _percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.1f}"


def cost_table(runs: Sequence[CompletedRun]) -> str:
    """Markdown: what a method costs, a row for each method."""
    return markdown_table(
        [
            {"method": str(method)} | {str(name): f"{value:.4g}" for name, value in row.items()}
            for method, row in costs(runs).iterrows()
        ]
    )


class Bold(str):
    """Text of a table that is shown in bold."""

    __slots__ = ()


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of text by column, which all have the columns of the first."""
    head = [markdown(name) for name in rows[0]]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [_markdown_cell(text) for text in row.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _markdown_cell(text: str) -> str:
    return f"**{markdown(text)}**" if isinstance(text, Bold) else markdown(text)
