"""What a person sees while a run trains, in a terminal and in a log."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from lix.training.fit import fit
from tests.training.test_fit import recipe

pty = pytest.importorskip("pty", reason="this system has no pseudo terminals")
CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@contextmanager
def terminal(text: io.StringIO) -> Iterator[Console]:
    """A console on a pseudo terminal; what is shown there, without codes, is in `text` after."""
    reader, writer = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        while True:
            try:
                block = os.read(reader, 1 << 16)
            except OSError:  # the writer is closed
                return
            if not block:
                return
            shown.append(block)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    with os.fdopen(writer, "w") as stream:
        yield Console(file=stream, width=120, soft_wrap=True, legacy_windows=False)
    thread.join(10)
    os.close(reader)
    text.write(CODES.sub("", b"".join(shown).decode()))


def test_a_terminal_shows_bar_and_lines_and_is_never_silent(
    streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = io.StringIO()
    with terminal(text) as console:
        big = fit(recipe(streets, tmp_path / "big", role="teacher"), console=console)
        distill = {"method": "kd", "teacher": big}
        fit(recipe(streets, tmp_path / "small", distill=distill), console=console)
    printed = text.getvalue()
    for phase in (
        "opening the data",
        "building the networks",
        "looking at X",
        "scoring the teacher",
        "looking at the files of the data",
        "scoring the run",
        "drawing",
    ):
        assert phase in printed, phase
    bar = r"epoch 2/2 validation ━+ 2/2 loss \d+\.\d{3}  best \d+\.\d %  \d:\d\d:\d\d left"
    assert re.search(bar, printed), "a printed line draws the bar anew"
    assert "epoch 2/2  loss" in printed
    assert "v_num" not in printed
    assert "epoch 0" not in printed.lower()


def test_the_first_line_is_the_size_of_the_run(streets: Path, tmp_path: Path) -> None:
    stream = io.StringIO()
    fit(
        recipe(streets, tmp_path / "run", training={"epochs": 1}),
        console=Console(file=stream, width=200),
    )
    first = stream.getvalue().splitlines()[0]
    assert first == (
        "student mfnet: 16 training, 8 validation frames, 4 steps an epoch of 4 frames, "
        "0.60 M parameters, cpu, 1 thread"
    )
    assert " left" not in stream.getvalue(), "a log has lines only"
