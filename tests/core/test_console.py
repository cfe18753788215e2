"""Tables in the terminal: one style, numbers to the right, the user's text as it stands."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from lix.core.console import print_table

ROWS = [
    {"class": "[red]road", "IoU %": "9.5", "note": "12 of 14"},
    {"class": "sky\x1b[31m", "IoU %": "100.0", "note": "none"},
    {"class": Text("car", "bold"), "IoU %": "absent", "note": ""},
]


def printed(width: int, *, terminal: bool) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    print_table(console, ROWS, title="[b]eval")
    return console.file.getvalue().splitlines()


def test_columns_of_numbers_are_to_the_right_and_others_to_the_left() -> None:
    title, head, rule, *rows, end = [line.rstrip() for line in printed(80, terminal=True)]
    assert (title, end) == ("[b]eval", "")
    assert set(rule) == {"─"}
    right = head.index("IoU %") + len("IoU %")
    for row, value in zip(rows, ("9.5", "100.0", "absent"), strict=True):
        assert row[: right + 1].rstrip().endswith(value)
    assert rows[0].startswith("[red]road")
    assert rows[1].startswith(r"sky\x1b[31m")
    assert rows[0].index("12 of") == rows[1].index("none") == head.index("note")


def test_lines_are_whole_where_it_is_no_terminal() -> None:
    assert len(printed(10, terminal=False)) == 7
    assert len(printed(20, terminal=True)) > 7
