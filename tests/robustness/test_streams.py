"""Where commands print to may be closed, full, ASCII or of no width, and results come first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lix.study.plan import PROGRAM

pytestmark = pytest.mark.slow


def run(words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of the shell in which `lix` is this checkout."""
    return subprocess.run(
        ["bash", "-c", words.replace("lix ", f"'{sys.executable}' '{PROGRAM}' ")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}, {"COLUMNS": "0"}]
)
def test_what_a_terminal_cannot_show_ends_no_command(environment: dict[str, str]) -> None:
    done = run("lix list methods", **environment)
    assert done.returncode == 0, done.stderr
    assert "arfd" in done.stdout


def test_a_closed_output_ends_no_command() -> None:
    done = run("lix list methods >&-")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_output_is_one_sentence() -> None:
    done = run("lix list methods > /dev/full")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("lix: ")


def test_a_reader_that_goes_costs_no_result(student: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    done = run(f"lix eval '{student}' --output '{scores}' | head -n 0")
    assert "Traceback" not in done.stderr
    assert scores.is_file()
