"""The walk through folders: links, cycles, hidden files, and patterns."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lix.data.patterns import find_files, matches, walk
from lix.data.sets.folder import Folder
from lix.deploy.image_files import find_images
from lix.tools.depth.pairs import Patterns, find_pairs

PATTERNS = ["rgb/**/*.png", "rgb/*/*.png", "**/*.png", "rgb/[ab]*/?.png"]


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8)).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two cities, of which one is a link, as is one file; a cycle; leftovers of macOS."""
    root, store = tmp_path / "data", tmp_path / "store"
    for name in ("0", "1"):
        make(root / f"rgb/aachen/{name}.png")
        make(store / f"rgb/bochum/{name}.png")
        make(root / f"rgb/aachen/._{name}.png").write_bytes(b"\0\5\x16\7Mac OS X")
    make(store / "2.png")
    (root / "rgb/bochum").symlink_to(store / "rgb/bochum")
    (root / "rgb/aachen/2.png").symlink_to(store / "2.png")
    (root / "rgb/bochum/back").symlink_to(root / "rgb")
    (root / "rgb/aachen/self").symlink_to("self")
    make(root / "rgb/.trash/0.png")
    (root / "rgb/folder.png").mkdir()
    return root


FRAMES = ["aachen/0", "aachen/1", "aachen/2", "bochum/0", "bochum/1"]


def names(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).with_suffix("").as_posix() for path in paths]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_links_are_followed_and_hidden_files_are_not_frames(root: Path, pattern: str) -> None:
    assert names(find_files(root, pattern), root / "rgb") == FRAMES
    assert len(matches(root, pattern)) == 5


def test_every_search_takes_the_same_walk(root: Path) -> None:
    out = root / "out"
    make(out / "0.png")
    assert names(find_images(root, without=out), root / "rgb") == FRAMES
    pairs = find_pairs(root, Patterns("**/*.png", None), out)
    assert names([pair.left for pair in pairs], root / "rgb") == FRAMES
    assert len(Folder(root / "rgb", False)) == 5
    yaml = "classes: [a, b]\nfiles: {image: 'rgb/**/*.png', label: 'rgb/**/*.png'}\n"
    (root / "lix.yaml").write_text(yaml)
    assert Folder(root).ids == FRAMES


def test_a_link_to_nothing_is_not_passed_over(root: Path) -> None:
    (root / "rgb/aachen/9.png").symlink_to(root / "nowhere.png")
    assert "aachen/9" in names(walk(root / "rgb"), root / "rgb")


def test_a_pattern_may_name_what_is_hidden_or_beside(root: Path) -> None:
    assert len(find_files(root, "rgb/.trash/*.png")) == 1
    assert len(find_files(root, "rgb/.*/*.png")) == 1
    assert len(find_files(root / "rgb/aachen", "../bochum/*.png")) == 2
    assert len(find_files(root, "./rgb//aachen/*.png")) == 3
    assert find_files(root, "nowhere/*.png") == []


@pytest.mark.parametrize("pattern", ["/rgb/*.png", "rgb/**.png", "rgb/[z-a].png"])
def test_what_is_no_pattern(root: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a pattern"):
        find_files(root, pattern)
