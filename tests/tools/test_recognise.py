"""Which data set a path is, and the sentences where it is not one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from lix.tools.depth.pairs import choose_patterns, find_pairs
from lix.tools.recognise import recognise
from tests.data.sets.test_mfnet_rgbt import NAMES, write
from tests.tools.conftest import Make


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


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:  # root may read whatever chmod says
        if path.name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    locked = tmp_path / "locked"
    locked.mkdir()
    with pytest.raises(ValueError, match=rf"^{locked} cannot be read: permission den.*chmod"):
        recognise(locked)
    assert recognise(locked, "folder") == "folder"
    with pytest.raises(ValueError, match="it holds locked; say which it is"):
        recognise(tmp_path)


@pytest.mark.parametrize("layout", ["images", "RGB"])
def test_the_images_of_mfnet_are_known_for_depth(tmp_path: Path, layout: str) -> None:
    write(tmp_path, {"images": "original", "RGB": "apart"}[layout])
    patterns = choose_patterns(tmp_path, stereo=False)
    pairs = find_pairs(tmp_path, patterns, tmp_path / "x")
    assert [pair.left.relative_to(tmp_path).as_posix() for pair in pairs] == [
        f"{layout}/{name}.png" for name in NAMES
    ]


def test_says_what_it_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for name in "abcdefghij":
        (folder / name).mkdir(parents=True)
    with pytest.raises(
        ValueError, match=r"not a data set that lix knows \(.*folder.*vkitti2"
    ) as caught:
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
