"""Which images and which partners."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lix.data.sets.vkitti2 import VKITTI2
from lix.tools.depth import make_depth
from lix.tools.depth.pairs import choose_patterns
from tests.tools.depth.conftest import LEFT, RIGHT, SIDES, Fake, Mono, one_sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "not a data set whose images lix knows"),
        ({"left": "left/*/*.png"}, "needs right images"),
        ({"left": "left/*/*.png", "right": "right/**/*.png"}, "wildcards"),
        ({"left": "middle/*/*.png", "right": "right/*/*.png"}, "No image matches"),
        ({"left": "/left/*/*.png", "right": "/right/*/*.png"}, "not a pattern"),
    ],
)
def test_wrong_patterns_are_one_sentence(pairs: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        make_depth(pairs, Fake(), **options)
    one_sentence(error)
    assert not (pairs / "x-fake").exists()


def test_other_wrong_sources_are_one_sentence(pairs: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is missing") as missing:
        make_depth(pairs / "nowhere", Fake(), **SIDES)
    one_sentence(missing)
    with pytest.raises(ValueError, match="leave out --right") as error:
        make_depth(pairs, Mono(), **SIDES)
    one_sentence(error)
    Image.new("RGB", (8, 6)).save(pairs / "left/drive/1.jpg")
    with pytest.raises(ValueError, match="would share") as error:
        make_depth(pairs, Mono(), left="left/*/*")
    one_sentence(error)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left/**/*.png", "right/**/*.png"),
        ("**/left/drive/?.png", "**/right/drive/?.png"),
        ("left/d*e/[0-9].png", "right/d*e/[0-9].png"),
    ],
)
def test_partner_has_the_same_text_for_the_wildcards(pairs: Path, left: str, right: str) -> None:
    (pairs / "right/drive/3.png").unlink()
    with pytest.raises(ValueError, match="1 of 3 images failed"):
        make_depth(pairs, Fake(), left=left, right=right)


def test_folders_of_x_are_no_images(pairs: Path) -> None:
    for engine in (Mono(), Fake()):
        engine.name += "2"
        patterns = {} if engine.stereo is False else {"right": "**/[!x]*.png"}
        left = "**/[!x]*.png" if patterns else "**/*.png"
        made = make_depth(pairs, engine, left=left, **patterns)
        assert made.written == 6


def test_known_data_sets_bring_their_patterns(
    stereo_streets: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VKITTI2, "left_files", LEFT)
    monkeypatch.setattr(VKITTI2, "right_files", RIGHT)
    assert choose_patterns(stereo_streets, stereo=True) == (LEFT, RIGHT)
    assert choose_patterns(stereo_streets, stereo=False) == (LEFT, None)
    assert choose_patterns(stereo_streets, None, LEFT, stereo=True) == (LEFT, LEFT)
    monkeypatch.setattr(VKITTI2, "right_files", None)
    with pytest.raises(ValueError, match="needs right images"):
        choose_patterns(stereo_streets, stereo=True)
