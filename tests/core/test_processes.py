"""Processes that lix starts, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

import lix
from lix.core.processes import outside_of_current_folder


def test_processes_start_outside_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with outside_of_current_folder():
        assert Path.cwd() == Path(lix.__file__).parents[1]
    assert Path.cwd() == tmp_path
    monkeypatch.setenv("LIX_ALLOW_CODE", "1")
    with outside_of_current_folder():
        assert Path.cwd() == tmp_path
