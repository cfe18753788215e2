"""Which data set a path is, and what is said where it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from lix.data.check.recognise import recognise
from tests.data.check.conftest import Make


def test_recognises(make: Make, streets: Path) -> None:
    root = make()
    assert recognise(root) == "folder"
    assert recognise(root / "lix.yaml") == "folder"
    assert recognise(streets) == "vkitti2"
    assert recognise(streets, "folder") == "folder"


def test_names_the_folder_beside(make: Make) -> None:
    root = make()
    with pytest.raises(ValueError, match=rf"did you mean {root}, which looks like folder\?"):
        recognise(root.parent)
    with pytest.raises(ValueError, match=rf"did you mean {root}, which looks like folder\?"):
        recognise(root / "train")


def test_says_what_it_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for name in "abcdefghij":
        (folder / name).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"looks like none of .*folder.*vkitti2") as caught:
        recognise(folder)
    assert "it holds a, b, c, d, e, f, g, h, …; say which it is with --name" in str(caught.value)
    assert str(folder / "lix.yaml") in str(caught.value)
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match="neither a folder nor a YAML file"):
        recognise(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError, match="nowhere is missing"):
        recognise(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="Did you mean 'vkitti2'"):
        recognise(folder, "vkiti2")
