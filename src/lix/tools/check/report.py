"""A survey and its findings in the terminal and as `check.html`, which needs no network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from rich.console import Console
from rich.text import Text

from lix import __version__
from lix.core.console import one_row, plain, print_table
from lix.core.files import write_text
from lix.core.types import IGNORE_INDEX
from lix.data.dataset import SegDataset
from lix.tools.check.finding import SEVERITIES, Finding, number, percent
from lix.tools.check.pictures import panels
from lix.tools.check.statistics import Frame, SplitStatistics
from lix.tools.check.survey import Survey, spaced

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
EXAMPLES = 3
"""Number of evenly spaced frames of each split that are shown."""
MAX_FAULTY_FRAMES = 9
"""Maximum number of frames with findings that are shown."""


def summarise(survey: Survey, findings: Sequence[Finding], page: Path, console: Console) -> None:
    """Print the statistics, the findings, and where the page is."""

    def say(*parts: str | Text) -> None:
        console.print(*parts, soft_wrap=True, highlight=False)

    say(plain(headline(survey)))
    print_table(console, _rows(split_table(survey)))
    if x_table(survey).rows:
        print_table(console, _rows(x_table(survey)))
    print_table(console, _classes(survey))
    for finding in findings:
        say(Text(f"{finding.severity:8}", STYLES[finding.severity]), plain(finding))
    say(plain(f"{verdict(findings)} Pictures are in {page}."))


def headline(survey: Survey) -> str:
    """One sentence on what was read, and how fast."""
    speed = survey.read / max(survey.seconds, 1e-9)
    return (
        f"{survey.root}: data set {survey.name}, {len(survey.classes)} classes; read "
        f"{survey.read:,} frames in {survey.seconds:.1f} s ({speed:.0f} images/s)."
    )


def verdict(findings: Sequence[Finding]) -> str:
    """Number of findings of each severity."""
    counts = Counter(finding.severity for finding in findings)
    if not counts:
        return "Nothing is wrong with it."
    counted = (f"{counts[s]} {s}{'s' * (counts[s] > 1)}" for s in SEVERITIES if counts[s])
    return f"Found {', '.join(counted)}."


def _rows(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _classes(survey: Survey) -> list[dict[str, str | Text]]:
    rows = []
    for row in class_rows(survey):
        swatch = Text("■ ", "rgb({},{},{})".format(*row.colour))
        cells: dict[str, str | Text] = {"class": swatch.append(one_row(row.name), "default")}
        for split, share, images in zip(survey.splits, row.shares, row.images, strict=True):
            # Three splits fit 80 columns where headings are broken beforehand.
            cells[f"{split},\npixels"] = percent(share, 2)
            cells[f"{split},\nlabels"] = f"{images:,}"
        rows.append(cells)
    return rows


def write_page(
    survey: Survey,
    findings: Sequence[Finding],
    datasets: Mapping[str, SegDataset],
    path: Path,
) -> None:
    """Write `check.html`."""
    environment = Environment(
        loader=PackageLoader("lix.tools.check"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"percent": percent, "prose": _prose}
    classes = class_rows(survey)
    largest = max((s for row in classes for s in row.shares if s == s), default=0) or 1.0  # noqa: PLR0124
    page = environment.get_template("check.html").render(
        survey=survey,
        headline=headline(survey),
        verdict=verdict(findings),
        findings=findings,
        splits=split_table(survey),
        x=x_table(survey),
        classes=classes,
        largest=largest,
        examples=[
            {"frame": frame, "panels": panels(datasets[frame.split], frame.id), "texts": texts}
            for frame, texts in _chosen(findings, datasets)
        ],
        version=__version__,
    )
    write_text(path, page)


def _prose(text: object) -> Markup:
    """Escaped text with what stands in backticks as code."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(str(text)))))  # noqa: S704


def _chosen(
    findings: Sequence[Finding], datasets: Mapping[str, SegDataset]
) -> Iterator[tuple[Frame, list[str]]]:
    """Frames with findings and their texts, one of each first; then evenly spaced ones."""
    texts: dict[tuple[str, str], list[str]] = {}
    ranks = zip_longest(*([(frame, f.text) for frame in f.frames] for f in findings))
    for frame, text in filter(None, chain.from_iterable(ranks)):
        where = frame.split, frame.id
        if where in texts or len(texts) < MAX_FAULTY_FRAMES:
            texts.setdefault(where, []).append(text)
    for split, dataset in datasets.items():
        for index in spaced(len(dataset), EXAMPLES):
            texts.setdefault((split, dataset.ids[index]), [])
    for (split, frame_id), about in texts.items():
        yield Frame(split, frame_id, frame_id), about


class Table(NamedTuple):
    """Columns and rows; the first column names the row."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


class ClassRow(NamedTuple):
    """A class in all splits."""

    name: str
    colour: tuple[int, int, int]
    shares: tuple[float, ...]
    """Share of the pixels that are not ignored, by split; of the ignored ones: of all pixels."""
    images: tuple[int, ...]
    """Number of label images that have it, by split."""


def split_table(survey: Survey) -> Table:
    """Counts of each split."""
    columns = ("split", "frames", "read", "images", "labels", "height x width", "sequences")
    return Table(columns, [_split_row(split) for split in survey.splits.values()])


def _split_row(split: SplitStatistics) -> tuple[str, ...]:
    common = split.sizes.most_common(1)
    size = "x".join(map(str, common[0][0])) if common else "–"
    others = f" and {len(split.sizes) - 1} more" if len(split.sizes) > 1 else ""
    numbers = (split.frames, split.read, split.images, split.labels)
    return (split.name, *(f"{n:,}" for n in numbers), size + others, f"{len(split.sequences):,}")


def x_table(survey: Survey) -> Table:
    """Range of each X of each split."""
    columns = ("split", "X", "files", "valid", "1 %", "median", "99 %", "range")
    rows: list[tuple[str, ...]] = []
    for split in survey.splits.values():
        for x in split.x:
            what = {"depth": "depth, m", "disparity": "disparity, px"}.get(x.kind, x.kind)
            what = "length of normals" if x.kind == "normal" else what.replace("_", " ")
            values = map(number, x.percentiles(1, 50, 99))
            shown = (f"{x.files:,}", percent(x.valid_share, 1), *values)
            rows.append((split.name, what, *shown, f"{number(x.low)} to {number(x.high)}"))
    return Table(columns, rows)


def class_rows(survey: Survey) -> list[ClassRow]:
    """The classes, then the ignored pixels."""
    splits = survey.splits.values()
    named = [*zip(survey.classes, survey.palette, strict=True), ("(ignored)", (0, 0, 0))]
    ids = [*range(len(survey.classes)), IGNORE_INDEX]
    return [
        ClassRow(
            name,
            colour,
            tuple(split.share(train_id) for split in splits),
            tuple(int(split.containing[train_id]) for split in splits),
        )
        for train_id, (name, colour) in zip(ids, named, strict=True)
    ]
