"""Tables of a study in the paper's form: Markdown, LaTeX, CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from io import StringIO
from itertools import groupby
from pathlib import Path

from lix.core.files import write_text
from lix.study.cross import cross_cells, crossed
from lix.study.details import class_table, cost_table, markdown_table
from lix.study.grid import Study
from lix.study.records import METRICS
from lix.study.results import Finished, Results, Row, Score, load_results, summarise, write_tidy

ALPHA = 0.05
ENOUGH_SEEDS = 3
HEADER = (
    *("method", "kind", *(f"{metric} %" for metric in METRICS)),
    *("recovered %", "p student", "p best other", "ms a step"),
)


Sheet = list[dict[str, str]]
"""Rows of a table; each has the text of every column."""


class Block:
    """The rows of one data set and network, which are compared with each other."""

    def __init__(self, rows: Sequence[Row], paper: str | None = None) -> None:
        self.rows, self.paper = rows, paper
        self.place = self.data, self.network = rows[0].data, rows[0].network
        self.teacher, self.student = (
            next((row for row in rows if row.kind == kind), None) for kind in ("teacher", "none")
        )

    def cells(self, row: Row) -> dict[str, str]:
        """What a table says of a row, by column; `**` marks what is bold."""
        found = {"method": row.method, "kind": row.kind}
        for metric in METRICS:
            text = str(row.scores[metric])
            found[f"{metric} %"] = f"**{text}**" if self.is_best(row, metric) else text
        found["recovered %"] = self._recovered(row)
        found["p student"] = _p(row, self.student)
        found["p best other"] = _p(row, self.best_other(row, "mIoU"))
        found["ms a step"] = f"{1000 * row.seconds_per_step:.0f}"
        if self.paper is not None:
            value = paper_value(self.paper, self.network, row.method, "mIoU")
            found["paper mIoU %"] = "" if value is None else f"{value:.2f}"
        return found

    def best_other(self, row: Row, metric: str) -> Row | None:
        """The best student of another row, but for the plain one."""
        others = [o for o in self.rows if o not in (row, self.student) and o.kind != "teacher"]
        return max(others, key=lambda other: other.scores[metric].mean, default=None)

    def is_best(self, row: Row, metric: str) -> bool:
        """Whether a student is better than all others, by enough seeds and significantly."""
        score = row.scores[metric]
        if row.kind == "teacher" or len(score.values) < ENOUGH_SEEDS:
            return False
        others = [o.scores[metric] for o in self.rows if o is not row and o.kind != "teacher"]
        return bool(others) and all(_beats(score, other) for other in others)

    def _recovered(self, row: Row) -> str:
        """Share of the gap between teacher and plain student that a method closes."""
        if (
            self.teacher is None
            or self.student is None
            or row.kind == "teacher"
            or row is self.student
        ):
            return ""
        top, base = (r.scores["mIoU"].mean for r in (self.teacher, self.student))
        if top <= base:
            return "no gap"
        return f"{100 * (row.scores['mIoU'].mean - base) / (top - base):.1f}"


def blocks(rows: Sequence[Row], paper: str | None = None) -> list[Block]:
    """One block for each data set and network."""
    return [
        Block(list(group), paper)
        for _, group in groupby(rows, key=lambda row: (row.data, row.network))
    ]


def sheets(study: Study, found: Sequence[Block], runs: Sequence[Finished]) -> dict[str, Sheet]:
    """All tables of a study: one for each block, then those of students on other data."""
    own = {f"{b.data}, {b.network}": [b.cells(row) for row in b.rows] for b in found}
    return own | cross_cells(study, crossed(runs, study))


def markdown(found: Mapping[str, Sheet], title: str, note: str) -> str:
    """The tables as Markdown."""
    parts = [f"# {title}", note]
    for heading, rows in found.items():
        parts += [f"## {heading}", markdown_table(rows)]
    return "\n\n".join(parts) + "\n"


def latex(found: Mapping[str, Sheet], title: str, note: str) -> str:
    """The tables for a paper; they need the package booktabs."""
    parts = [f"% {title}. {note}"]
    for heading, rows in found.items():
        names = [name for name in rows[0] if name != "kind"]
        lines = [
            f"% {heading}",
            rf"\begin{{tabular}}{{l{'r' * (len(names) - 1)}}}",
            r"\toprule",
            " & ".join(map(_escape, names)) + r" \\",
        ]
        for _, group in groupby(rows, key=lambda row: row.get("kind")):
            lines.append(r"\midrule")
            lines += [" & ".join(_escape(row[name]) for name in names) + r" \\" for row in group]
        parts.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"


def comma_separated(found: Sequence[Block]) -> str:
    """The tables as CSV with numbers instead of text."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("data", "network", "method", "kind", "metric", "mean", "interval", "seeds"))
    for block in found:
        for row in block.rows:
            for metric, score in row.scores.items():
                interval = "" if score.interval is None else f"{score.interval:.6f}"
                place = block.data, block.network, row.method, row.kind, metric
                writer.writerow((*place, f"{score.mean:.6f}", interval, len(score.values)))
    return file.getvalue()


def write_tables(study: Study, output: Path, folder: Path) -> str:
    """Write `table.md`, `.tex`, `.csv`, `classes.md`, `costs.md`, `results.csv` of finished runs.

    Args:
        study: what was run.
        output: folder of all runs.
        folder: for the tables.

    Returns:
        The Markdown.

    Raises:
        ValueError: no run has ended.
        ModuleNotFoundError: SciPy, for the intervals, is missing.
    """
    results = load_results(study, output)
    runs = results.runs
    found = blocks(summarise(study, runs), study.paper)
    title, said = study.title or study.name, note(study, results)
    folder.mkdir(parents=True, exist_ok=True)
    shown = sheets(study, found, runs)
    text = markdown(shown, title, said)
    own = {
        block.place: [r for r in runs if (r.planned.data, r.planned.network) == block.place]
        for block in found
    }
    for name, content in {
        "table.md": text,
        "classes.md": _details(
            "IoU by class, %, at each run's best epoch", {p: class_table(r) for p, r in own.items()}
        ),
        "costs.md": _details(
            "Cost of training; compare steps of one machine only",
            {p: cost_table(r) for p, r in own.items()},
        ),
        "table.tex": latex(shown, title, said),
        "table.csv": comma_separated(found),
    }.items():
        write_text(folder / name, content)
    write_tidy(study, runs, folder / "results.csv")
    return text


def _details(title: str, found: Mapping[tuple[str, str], str]) -> str:
    parts = [f"## {data}, {network}\n\n{table}\n" for (data, network), table in found.items()]
    return "\n".join([f"# {title}\n", *parts])


def note(study: Study, results: Results) -> str:
    """What the numbers are, and what they were made with."""
    runs = results.runs
    made = sorted({(str(f.run.result["commit"]), str(f.run.result["hardware"])) for f in runs})
    text = (
        f"Mean of the last {study.last} evaluations of a run, then over seeds "
        f"({', '.join(map(str, study.seeds))}; teachers have one), ± half the 95 % interval. "
        "Recovered: share of the gap between teacher and plain student (mIoU). p: paired t-tests "
        "of mIoU over seeds, against the plain student and against the best other method, not "
        f"corrected for their number. Bold: better than all other students, p < {ALPHA}, at least "
        f"{ENOUGH_SEEDS} seeds. {len({f.planned.job.name for f in runs})} of {results.planned} "
        f"runs are done. Made with {'; '.join(f'commit {c} on {h}' for c, h in made)}."
    )
    return f"{text} {results.damage}".strip()


def _beats(score: Score, other: Score) -> bool:
    p = score.p_value(other)
    return score.mean > other.mean and p is not None and p < ALPHA


def _p(row: Row, other: Row | None) -> str:
    if other is None or other is row or row.kind == "teacher":
        return ""
    return row.scores["mIoU"].p_text(other.scores["mIoU"])


def _escape(text: str) -> str:
    bold = text.startswith("**")
    text = text.strip("*").replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")
    text = text.replace("±", r"$\pm$").replace("β", r"$\beta$").replace("Ω", r"$\Omega$")
    text = text.replace("→", r"$\to$")
    return rf"\textbf{{{text}}}" if bold else text


@cache
def _paper() -> Mapping[tuple[str, ...], float]:
    path = Path(__file__).parent / "paper" / "tables_1_2_3.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return {
            (r["table"], r["network"], r["method"], r["metric"]): float(r["value_percent"])
            for r in csv.DictReader(file)
        }


def paper_value(table: str, network: str, method: str, metric: str) -> float | None:
    """What the paper states, in percent; None where it states nothing.

    >>> paper_value("I", "sne_roadseg", "LIX", "mIoU")
    91.95
    """
    name = "student" if method == "none" else method.lower().replace("-", "")
    return _paper().get((table, network, name, metric))
