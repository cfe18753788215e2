"""A result names the commit that made it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lix.runs.provenance import commit

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_the_commit_is_that_of_the_checkout() -> None:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert commit().removesuffix("+") == head
