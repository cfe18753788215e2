"""A table of the conditions of frames, as users write it: a CSV file, a frame a row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

from lix.core.errors import DataError
from lix.data.readers import read_text

FRAME = "frame"
"""Name of the column that says which frame a row is of."""


def read_conditions(
    path: Path, find: Callable[[str], str | None]
) -> Mapping[str, Mapping[str, str]]:
    """Frame → conditions, such as {"weather": "fog"}; empty cells say nothing.

    Args:
        path: CSV with a header, of which one column is `frame`.
        find: text of that column → frame; None where it is of another split.

    Raises:
        DataError: the file is missing, or has no such column.
    """
    rows = csv.DictReader(read_text(path).splitlines(), skipinitialspace=True)
    names = [name.strip() for name in rows.fieldnames or ()]
    if FRAME not in names or len(names) < 2:
        raise DataError(
            f"{path} has the columns {', '.join(names) or 'of an empty file'}; begin it with a "
            "line such as `frame,weather,time`.",
            path,
            kind="conditions",
        )
    rows.fieldnames = names
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        frame = find((row.pop(FRAME) or "").strip())
        if frame is not None:
            cells = {name: (row.get(name) or "").strip() for name in names if name != FRAME}
            found[frame] = {name: value for name, value in cells.items() if value}
    return found
