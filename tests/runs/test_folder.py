"""The files of a run folder that carry names in their own."""

from __future__ import annotations

from pathlib import Path

from lix.runs.folder import CROSS, RunFolder


def test_scores_on_other_data_are_listed_by_the_name_of_the_data(tmp_path: Path) -> None:
    for data in ("town-1a2b", "cross-json", "a"):
        (tmp_path / CROSS.format(data)).write_text("{}")
    (tmp_path / "result.json").write_text("{}")
    files = RunFolder(tmp_path).across
    assert list(files) == ["a", "cross-json", "town-1a2b"]
    assert files["a"] == tmp_path / "cross-a.json"
