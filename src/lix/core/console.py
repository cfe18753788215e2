"""The terminal as a sink of the user's text: no markup, no escape sequences, no broken bytes.

Names, labels, titles and paths of data sets and files go through `plain` where rich prints them,
through `printable` where `print` does, and through `label` where rich reads markup.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

T = TypeVar("T")

TURNING = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the direction of what is shown, so that one name looks like another."""

NUMERIC = re.compile(r"[-+]?\d|–?$|absent$")
"""Beginning of the cells of a column that is aligned to the right."""
MAX_WIDTH = 1000
"""Number of characters of the longest row of a table in a file."""


def printable(text: object) -> str:
    r"""Text in which characters that command a terminal are spelt out; line breaks stay.

    >>> print(printable("a\x1b[31mb"))
    a\x1b[31mb
    """
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(_spelt(char) for char in shown)


def _spelt(char: str) -> str:
    commands = char != "\n" and unicodedata.category(char) in ("Cc", "Cs")
    return ascii(char)[1:-1] if commands or char in TURNING else char


def one_row(text: object) -> str:
    r"""Printable text whose line breaks are spelt out too, so that no name begins a line.

    >>> print(one_row("a\nb"))
    a\nb
    """
    return printable(text).replace("\n", r"\n")


def plain(text: object) -> Text:
    """Text of one line that rich prints as it stands."""
    from rich.text import Text

    return Text(one_row(text))


def label(text: object) -> str:
    r"""Text where rich reads markup, such as the label of a progress bar.

    >>> print(label("[/x]"))
    \[/x]
    """
    from rich.markup import escape

    return escape(" ".join(printable(text).split()))


def warn(console: Console, sentence: str) -> None:
    """Print a warning."""
    from rich.text import Text

    console.print(Text.assemble(("warning:", "yellow"), " ", one_row(sentence)))


def print_table(
    console: Console, rows: Sequence[Mapping[str, str | Text]], *, title: str = ""
) -> None:
    """Print a table, columns of numbers right-aligned; all tables of lix look like this.

    Where the console is not a terminal, a line is as long as its row, for `grep` and files.

    Args:
        console: where it goes.
        rows: cells by column; all have the columns of the first.
        title: a line above it.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in rows[0]:
        is_numeric = all(NUMERIC.match(str(row[name])) for row in rows)
        table.add_column(plain(name), justify="right" if is_numeric else "left")
    for row in rows:
        table.add_row(*(plain(cell) if isinstance(cell, str) else cell for cell in row.values()))
    if title:
        console.print(plain(title), soft_wrap=True)
    width = console.width
    if not console.is_terminal:
        console.width = MAX_WIDTH
    console.print(table)
    console.width = width
    console.print()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


@contextmanager
def busy(text: object, console: Console) -> Iterator[None]:
    """Say in a terminal what goes on until the block ends; no bar may be shown in it."""
    with console.status(label(text)) if console.is_terminal else nullcontext():
        yield


def tracked(items: Iterable[T], text: object, console: Console, total: int) -> Iterator[T]:
    """The items, with a bar in a terminal while they are taken."""
    from rich.progress import track  # late: core needs torch only

    hidden = not console.is_terminal
    shown = track(items, label(text), total, console=console, transient=True, disable=hidden)
    yield from shown


def progress_bar() -> Progress:
    """A progress bar on the standard error, which leaves the output to what is asked for."""
    from rich.console import Console  # late: core needs torch only
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def say(text: object) -> None:
    """Print to the standard output."""
    print(printable(text))


def prepare_streams() -> None:
    """Make standard streams that are closed, ASCII or of no width safe to print to."""
    for number in range(3):
        if not _is_open(number):  # else the next file that is opened would get what is printed
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    for name in ("COLUMNS", "LINES"):
        if os.environ.get(name, "").strip().lstrip("-") == "0":
            del os.environ[name]
