"""A survey as tables of text, for the terminal and the page."""

from __future__ import annotations

from typing import NamedTuple

from lix.core.types import IGNORE_INDEX
from lix.tools.check.survey import Survey
from lix.tools.check.tallies import SplitTally
from lix.tools.check.wording import number, percent


class Table(NamedTuple):
    """Columns and rows; the first column names the row."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


class ClassRow(NamedTuple):
    """A class in each split."""

    name: str
    colour: tuple[int, int, int]
    shares: tuple[float, ...]
    """Of the pixels that are not ignored; NaN without labels. Of the ignored: of all pixels."""
    images: tuple[int, ...]
    """Label images that have it."""


def split_table(survey: Survey) -> Table:
    """What each split has."""
    columns = ("split", "frames", "read", "images", "labels", "height x width", "sequences")
    return Table(columns, [_split_row(split) for split in survey.splits.values()])


def _split_row(split: SplitTally) -> tuple[str, ...]:
    common = split.sizes.most_common(1)
    size = "x".join(map(str, common[0][0])) if common else "–"
    others = f" and {len(split.sizes) - 1} more" if len(split.sizes) > 1 else ""
    numbers = (split.frames, split.read, split.images, split.labels)
    return (split.name, *(f"{n:,}" for n in numbers), size + others, f"{len(split.sequences):,}")


def x_table(survey: Survey) -> Table:
    """What each X of each split holds."""
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
    """The classes, then what is ignored."""
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
