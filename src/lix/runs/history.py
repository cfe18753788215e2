"""`history.csv`: a row for each epoch and quantity of a run."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from lix.core.files import atomic_write

Row = tuple[int, str, float]
"""Epoch from 0, quantity, value."""


def read_history(path: Path) -> list[Row]:
    """The rows of a history; none if there is no file yet."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            (int(row["epoch"]), row["quantity"], float(row["value"]))
            for row in csv.DictReader(file)
        ]


def write_history(path: Path, rows: Iterable[Row]) -> None:
    """Write the whole file anew, so that a kill never leaves half a row."""
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("epoch", "quantity", "value"), *rows])


def epochs_done(path: Path) -> int:
    """Epochs in a history, by its last row: a study asks it of every run twice a second."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 256))
        epoch = file.read().rstrip().rpartition(b"\n")[2].partition(b",")[0]
    return int(epoch) + 1 if epoch.isdigit() else 0
