"""Tables of a study in the paper's form: Markdown, LaTeX, CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from lix.core.console import plain, print_table
from lix.core.files import write_text
from lix.evaluation.metrics import METRICS
from lix.study import escape
from lix.study.amounts import amount_tables
from lix.study.cross import cross_cells, crossed
from lix.study.definition import Study
from lix.study.details import Bold, class_table, cost_table, markdown_table
from lix.study.published import about, numbers, of_run
from lix.study.results import (
    BOUNDS,
    CompletedRun,
    Results,
    Row,
    Score,
    pooled,
    summarise,
    write_tidy,
)

ALPHA = 0.05
ENOUGH_SEEDS = 3
Table = list[dict[str, str]]
"""Rows of a table; each has the text of every column, `Bold` where it is bold."""


class ResultGroup:
    """The rows of one data set and network, which are compared with each other.

    Args:
        rows: one for each method.
        runs: what the rows were made of.
        paper: table of the paper that is shown next to them.
    """

    def __init__(
        self, rows: Sequence[Row], runs: Sequence[CompletedRun] = (), paper: str | None = None
    ) -> None:
        self.rows, self.runs, self.paper = rows, runs, paper
        self.published = of_run(runs[0]) if runs else []
        self.data, self.network = rows[0].data, rows[0].network
        self.teacher, self.ceiling, self.student = (
            next((row for row in rows if row.kind == kind), None)
            for kind in ("teacher", "ceiling", "none")
        )

    @property
    def heading(self) -> str:
        """The name of the group in tables."""
        return f"{self.data}, {self.network}"

    @property
    def table(self) -> Table:
        """The rows as text."""
        return [self.cells(row) for row in self.rows]

    def cells(self, row: Row) -> dict[str, str]:
        """The text of a row by column."""
        cells = {"method": row.method, "kind": row.kind}
        for metric in METRICS:
            text = str(row.scores[metric])
            cells[f"{metric} %"] = Bold(text) if self.is_best(row, metric) else text
        cells["recovered %"] = self._recovered(row, self.teacher)
        if self.ceiling is not None:
            cells["of reachable %"] = self._recovered(row, self.ceiling)
        cells["p student"] = _p(row, self.student)
        cells["p best other"] = _p(row, self.best_other(row, "mIoU"))
        cells["ms a step"] = f"{1000 * row.seconds_per_step:.0f}"
        if self.paper is not None:
            value = paper_value(self.paper, self.network, row.method, "mIoU")
            cells["paper mIoU %"] = "" if value is None else f"{value:.2f}"
        if self.published:
            cells["published mIoU %"] = numbers(self.published, row.method)
        return cells

    def best_other(self, row: Row, metric: str) -> Row | None:
        """The best other student, the plain one not counted."""
        others = [o for o in self.rows if o not in (row, self.student) and o.kind not in BOUNDS]
        return max(others, key=lambda other: other.scores[metric].mean, default=None)

    def is_best(self, row: Row, metric: str) -> bool:
        """Whether a student is better than all others, by enough seeds and significantly."""
        score = row.scores[metric]
        if row.kind in BOUNDS or len(score.values) < ENOUGH_SEEDS:
            return False
        others = [o.scores[metric] for o in self.rows if o is not row and o.kind not in BOUNDS]
        return bool(others) and all(_beats(score, other) for other in others)

    def _recovered(self, row: Row, bound: Row | None) -> str:
        """Share of the gap between the plain student and a bound that a method closes."""
        if bound is None or self.student is None or row.kind in BOUNDS or row is self.student:
            return ""
        top, base = (r.scores["mIoU"].mean for r in (bound, self.student))
        if top <= base:
            return "no gap"
        return f"{100 * (row.scores['mIoU'].mean - base) / (top - base):.1f}"


def result_groups(results: Results) -> list[ResultGroup]:
    """One group for each data set and network, then those of all data, if the study pools them."""
    groups = [
        ResultGroup(
            list(rows), [one for one in results.runs if one.place == place], results.study.paper
        )
        for place, rows in groupby(summarise(results), key=lambda row: (row.data, row.network))
    ]
    return groups + (result_groups(pooled(results)) if results.study.pool else [])


def all_tables(results: Results, groups: Sequence[ResultGroup]) -> dict[str, Table]:
    """All tables of a study by heading: one for each group, equal amounts, other data."""
    own = {group.heading: group.table for group in groups}
    amounts = amount_tables(results.study, [row for group in groups for row in group.rows])
    return own | amounts | cross_cells(results.study, crossed(results))


def markdown(tables: Mapping[str, Table], title: str, note: str) -> str:
    """The tables as Markdown."""
    parts = [f"# {escape.markdown(title)}", escape.markdown(note)]
    for heading, rows in tables.items():
        parts += [f"## {escape.markdown(heading)}", markdown_table(rows)]
    return "\n\n".join(parts) + "\n"


def latex(tables: Mapping[str, Table], title: str, note: str) -> str:
    """The tables for a paper; they need the package booktabs."""
    parts = ["% " + " ".join(f"{title}. {note}".split())]
    for heading, rows in tables.items():
        names = [name for name in rows[0] if name != "kind"]
        lines = [
            "% " + " ".join(heading.split()),
            rf"\begin{{tabular}}{{l{'r' * (len(names) - 1)}}}",
            r"\toprule",
            " & ".join(map(_tex, names)) + r" \\",
        ]
        for _, group in groupby(rows, key=lambda row: row.get("kind")):
            lines.append(r"\midrule")
            lines += [" & ".join(_tex(row[name]) for name in names) + r" \\" for row in group]
        parts.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"


def _tex(text: str) -> str:
    return rf"\textbf{{{escape.latex(text)}}}" if isinstance(text, Bold) else escape.latex(text)


def comma_separated(groups: Sequence[ResultGroup]) -> str:
    """The tables as CSV with numbers instead of text."""
    rows = [
        {
            "data": group.data,
            "network": group.network,
            "method": row.method,
            "kind": row.kind,
            "metric": metric,
            "mean": f"{score.mean:.6f}",
            "interval": "" if score.interval is None else f"{score.interval:.6f}",
            "seeds": len(score.values),
        }
        for group in groups
        for row in group.rows
        for metric, score in row.scores.items()
    ]
    table = pd.DataFrame(rows).map(escape.no_formula)
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text


def write_tables(results: Results, folder: Path) -> str:
    """Write `table.md`, `.tex`, `.csv`, `classes.md`, `costs.md`, `results.csv` of finished runs.

    Returns:
        The Markdown.

    Raises:
        ModuleNotFoundError: SciPy, for the intervals, is missing.
    """
    groups = result_groups(results)
    title, about = results.study.title or results.study.name, note(results)
    tables = all_tables(results, groups)
    text = markdown(tables, title, about)
    for name, content in {
        "table.md": text,
        "classes.md": _details(
            "IoU by class, %, of the weights that each run ends with",
            {group.heading: class_table(group.runs) for group in groups},
        ),
        "costs.md": _details(
            "Cost of training; compare steps of one machine only",
            {group.heading: cost_table(group.runs) for group in groups},
        ),
        "table.tex": latex(tables, title, about),
        "table.csv": comma_separated(groups),
    }.items():
        write_text(folder / name, content)
    write_tidy(results, folder / "results.csv")
    return text


def print_tables(results: Results, console: Console) -> None:
    """Print the tables of finished runs, and what their numbers are, in a terminal."""
    for heading, rows in all_tables(results, result_groups(results)).items():
        cells = [{name: _shown(text) for name, text in row.items()} for row in rows]
        print_table(console, cells, title=heading)
    console.print(plain(note(results)))


def _shown(text: str) -> str | Text:
    return Text(text, "bold") if isinstance(text, Bold) else text


def _details(title: str, tables: Mapping[str, str]) -> str:
    parts = [f"## {escape.markdown(heading)}\n\n{text}\n" for heading, text in tables.items()]
    return "\n".join([f"# {title}\n", *parts])


def note(results: Results) -> str:
    """What the numbers are, and what they were made with."""
    study, runs = results.study, results.runs
    made = sorted(
        {(str(f.record.result["commit"]), str(f.record.result["hardware"])) for f in runs}
    )
    is_repeated = len({(*f.place, f.planned.method) for f in runs}) < len(runs)
    sentences = (
        _about_scores(results, is_repeated),
        "Recovered: share of the gap between teacher and plain student (mIoU).",
        _about_ceiling(study),
        _about_tests() if is_repeated or study.average_last else "",
        f"{study.pool}: pairs of the same data and seed; those of one data set are not independent."
        if study.pool
        else "",
        f"{len({f.planned.job.name for f in runs})} of {results.planned} runs are done.",
        f"Made with {'; '.join(f'commit {c} on {h}' for c, h in made)}.",
        about(runs),
        results.damage,
    )
    return " ".join(filter(None, sentences))


def _about_scores(results: Results, is_repeated: bool) -> str:
    study = results.study
    seeds = ", ".join(map(str, study.seeds))
    if study.average_last is not None:
        scored = f"Mean of the last {study.average_last} evaluations of a run"
        return f"{scored}, then over seeds ({seeds}; teachers have one), ± half the 95 % interval."
    epochs = {"best": "its best epoch on the validation frames", "last": "its last epoch"}
    kept = sorted({one.record.result.get("kept", "best") for one in results.runs})
    which = " or ".join(epochs.get(name, name) for name in kept)
    scored = f"Scores of the weights that a run ends with: {which}"
    return f"{scored}; means over seeds ± half the 95 % interval." if is_repeated else f"{scored}."


def _about_tests() -> str:
    return (
        "p: paired t-tests of mIoU over seeds, against the plain student and against the best "
        "other method, not corrected for their number. Bold: better than all other students, "
        f"p < {ALPHA}, at least {ENOUGH_SEEDS} seeds."
    )


def _about_ceiling(study: Study) -> str:
    if all(entry.teacher != "truth" for entry in study.methods):
        return ""
    return (
        "Of reachable: share of the gap between the plain student and the same network taught by "
        "true labels of the unlabelled frames too."
    )


def _beats(score: Score, other: Score) -> bool:
    p = score.p_value(other)
    return score.mean > other.mean and p is not None and p < ALPHA


def _p(row: Row, other: Row | None) -> str:
    if other is None or other is row or row.kind in BOUNDS:
        return ""
    return row.scores["mIoU"].p_text(other.scores["mIoU"])


@cache
def _paper() -> Mapping[tuple[str, ...], float]:
    """The paper's Tables I, II and III by table, network, method and metric, in percent."""
    table = pd.read_csv(Path(__file__).parent / "paper" / "tables_1_2_3.csv", keep_default_na=False)
    keys = zip(*(table[name] for name in ("table", "network", "method", "metric")), strict=True)
    return dict(zip(keys, table["value_percent"], strict=True))


def paper_value(table: str, network: str, method: str, metric: str) -> float | None:
    """The paper's number in percent, None where it has none.

    >>> paper_value("I", "sne_roadseg", "LIX", "mIoU")
    91.95
    """
    name = "student" if method == "none" else method.lower().replace("-", "")
    return _paper().get((table, network, name, metric))
