"""A survey and its findings in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from lix.tools.check.finding import SEVERITIES, Finding
from lix.tools.check.survey import Survey
from lix.tools.check.tables import Table, class_rows, split_table, x_table
from lix.tools.check.wording import percent

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def summarise(survey: Survey, findings: Sequence[Finding], page: Path, console: Console) -> None:
    """Print what there is, what is wrong with it, and where the page is."""

    def say(*parts: str | Text) -> None:
        console.print(*parts, soft_wrap=True, highlight=False)

    say(Text(headline(survey)))
    console.print(_grid(split_table(survey)))
    if x_table(survey).rows:
        console.print(_grid(x_table(survey)))
    console.print(_classes(survey))
    for finding in findings:
        say(Text(f"{finding.severity:8}", STYLES[finding.severity]), Text(str(finding)))
    say(Text(f"{verdict(findings)} Pictures are in {page}."))


def headline(survey: Survey) -> str:
    """What was read, and how fast."""
    speed = survey.read / max(survey.seconds, 1e-9)
    return (
        f"{survey.root}: data set {survey.name}, {len(survey.classes)} classes; read "
        f"{survey.read:,} frames in {survey.seconds:.1f} s ({speed:.0f} images/s)."
    )


def verdict(findings: Sequence[Finding]) -> str:
    """How many findings there are of each severity."""
    counts = Counter(finding.severity for finding in findings)
    if not counts:
        return "Nothing is wrong with it."
    found = (f"{counts[s]} {s}{'s' * (counts[s] > 1)}" for s in SEVERITIES if counts[s])
    return f"Found {', '.join(found)}."


def _grid(table: Table) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD)
    for number, column in enumerate(table.columns):
        grid.add_column(column, justify="right" if number > 1 else "left")
    for row in table.rows:
        grid.add_row(*map(Text, row))
    return grid


def _classes(survey: Survey) -> Grid:
    grid = Grid("class", box=box.SIMPLE_HEAD)
    for split in survey.splits:
        grid.add_column(f"{split}, pixels", justify="right")
        grid.add_column("in labels", justify="right")
    for row in class_rows(survey):
        swatch = Text("■ ", "rgb({},{},{})".format(*row.colour))
        cells = [
            Text(cell)
            for share, images in zip(row.shares, row.images, strict=True)
            for cell in (percent(share, 2), f"{images:,}")
        ]
        grid.add_row(swatch.append(row.name, style="default"), *cells)
    return grid
