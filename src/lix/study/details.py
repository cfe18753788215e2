"""What a study says beside its scores: IoU by class, and what a method costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from lix.study.results import Finished


def by_method(runs: Sequence[Finished]) -> Mapping[str, list[Finished]]:
    """The runs by the label of their method."""
    groups: dict[str, list[Finished]] = {}
    for one in runs:
        groups.setdefault(one.planned.method, []).append(one)
    return groups


def by_class(runs: Sequence[Finished]) -> dict[str, dict[str, float | None]]:
    """Method → class → mean IoU of the best checkpoints over seeds, None where none occurs."""
    shown: dict[str, dict[str, float | None]] = {}
    for method, group in by_method(runs).items():
        shown[method] = {}
        for name in group[0].run.result["iou"]:
            values = [one.run.result["iou"][name] for one in group]
            known = [value for value in values if value is not None]
            shown[method][name] = fmean(known) if known else None
    return shown


def costs(runs: Sequence[Finished]) -> dict[str, dict[str, float]]:
    """Method → means over seeds; a step is one of training, without evaluations."""
    found = {
        method: {
            "ms a step": 1000 * fmean(one.seconds_per_step for one in group),
            "peak memory MB": fmean(one.run.result["peak_memory_mb"] for one in group),
            "training min": fmean(one.run.result["seconds"] for one in group) / 60,
            "M parameters": group[0].run.result["parameters"] / 1e6,
        }
        for method, group in by_method(runs).items()
    }
    plain = next((m for m, group in by_method(runs).items() if group[0].run.method == "none"), None)
    if plain is not None:
        step = found[plain]["ms a step"]
        found = {m: row | {"× plain student": row["ms a step"] / step} for m, row in found.items()}
    return found


def class_table(runs: Sequence[Finished]) -> str:
    """Markdown: IoU in percent, a row a class, a column a method."""
    shown = by_class(runs)
    return markdown_table(
        [
            {"class": name} | {method: _percent(row.get(name)) for method, row in shown.items()}
            for name in next(iter(shown.values()))
        ]
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def cost_table(runs: Sequence[Finished]) -> str:
    """Markdown: what a method costs, a row a method."""
    return markdown_table(
        [
            {"method": method} | {name: f"{value:.4g}" for name, value in row.items()}
            for method, row in costs(runs).items()
        ]
    )


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of text by column, which all have the columns of the first."""
    head = list(rows[0])
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row.values())} |" for row in rows)])
