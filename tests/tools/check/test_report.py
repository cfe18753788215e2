"""The page: whole, self-contained, and safe whatever the files are called."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from lix.data.modalities import Channels, Depth, Normal
from lix.data.sets.folder import Folder
from lix.tools.check.finding import Finding
from lix.tools.check.pictures import (
    INVALID,
    MAX_WIDTH,
    UNKNOWN_COLOURS,
    heat,
    overlay,
    paint,
    panels,
)
from lix.tools.check.run import check
from tests.tools.check.cases import first, set_to
from tests.tools.conftest import Make, Parts

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Collects tags, text and attributes, and whether every tag is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def checked(root: Path, output: Path) -> tuple[str, str, list[Finding]]:
    """The page, what the terminal shows, and the findings."""
    terminal = io.StringIO()
    findings = check(root, output=output, console=Console(file=terminal, width=120))
    return (output / "check.html").read_text(encoding="utf-8"), terminal.getvalue(), findings


EVIL = "<script>alert(1)</script>"


def test_page_and_terminal_show_everything(make: Make, tmp_path: Path) -> None:
    def change(split: str, index: int, parts: Parts) -> None:
        if index == 1:
            parts["label"][0] = 9

    root = make(change, classes=["road", EVIL, "[red]sky"])
    (root / "val/image/vala_2.png").write_bytes(b"<b>no image</b>")
    source, terminal, findings = checked(root, tmp_path / "out")
    page = Page(source)
    assert page.open == []
    assert "script" not in page.tags
    assert EVIL in page.text
    assert [finding.severity for finding in findings] == ["error", "error"]
    for word in [EVIL, "[red]sky", "33.33 %", "64x96", "depth, m", *map(str, findings)]:
        assert word in terminal, word
        assert word.replace("`", "") in page.text, word
    assert "<code>ignore</code>" in source
    assert page.text.count("val/image/vala_2.png cannot be read") == 3  # finding, frame and panel
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert "http" not in source.replace("http-equiv", "")
    assert "Found 2 errors." in terminal


def test_a_split_that_does_not_open_leaves_the_other(make: Make, tmp_path: Path) -> None:
    root = make()
    (root / "val/label/vala_0.png").unlink()
    source, terminal, findings = checked(root, tmp_path / "out")
    assert ["val cannot be opened: 1 of 3 images" in str(f) for f in findings] == [True]
    assert "train" in Page(source).text
    assert "val/label/*.png" in terminal


def test_the_data_are_left_as_they_are(make: Make, tmp_path: Path) -> None:
    root = make()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    with pytest.raises(ValueError, match="choose another --output"):
        check(root, output=root / "check")
    checked(root, tmp_path / "out")
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"options": {"lits": "all"}}, "Unknown option of folder 'lits'"),
        ({"name": "foldr"}, "Did you mean 'folder'"),
        ({"images": 0}, "check one or more"),
    ],
)
def test_wrong_settings_are_one_sentence(
    make: Make, tmp_path: Path, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        check(make(), output=tmp_path / "out", **settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_labels_that_are_not_a_class_have_a_colour_of_their_own(make: Make) -> None:
    """Magenta is taken by a class here, so they are yellow, also where they are few pixels."""
    palette = [[255, 0, 255], [0, 0, 142], [70, 130, 180]]
    root = make(first("label", set_to(9, np.s_[3:7, 40:44])), palette=palette)
    dataset = Folder(root)
    panel = panels(dataset, dataset.ids[0])[1]
    assert panel.caption == "0 % ignored (dark), 0.26 % not a class (yellow)"
    with Image.open(io.BytesIO(base64.b64decode(panel.image.partition(",")[2]))) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(pixels[4:6, 41:43] - UNKNOWN_COLOURS["yellow"]).max() < 60, "JPEG"
    assert np.abs(pixels[12:, 40:44] - UNKNOWN_COLOURS["yellow"]).min(axis=(0, 1)).max() > 60
    large = np.zeros((400, 4 * MAX_WIDTH, 3), np.uint8)
    paint(large, np.eye(400, 4 * MAX_WIDTH) > 0, (255, 255, 0))
    assert (large[0, :, 0] > 0).sum() == 4


def test_overlay_shows_classes_and_darkens_what_is_ignored() -> None:
    rgb = np.full((1, 3, 3), 100, np.uint8)
    target = np.array([[0, 1, 255]], np.uint8)
    shown = overlay(target, ((0, 0, 0), (200, 100, 0)), rgb)
    assert shown.tolist() == [[[40, 40, 40], [160, 100, 40], [40, 40, 40]]]
    cropped = overlay(target, ((0, 0, 0), (200, 100, 0)), rgb[:, :2])
    assert cropped.tolist() == [[[0, 0, 0], [200, 100, 0], [0, 0, 0]]]


def test_heat_is_bright_where_x_is_large_and_grey_where_it_is_invalid() -> None:
    picture, caption = heat("depth", Depth([[[2.0, 4.0, 8.0, float("nan")]]]))
    brightness = picture.astype(int).sum(axis=-1)[0]
    assert brightness[0] < brightness[1] < brightness[2]
    assert tuple(picture[0, 3]) == INVALID
    assert caption == "2.04 to 7.92 m, 75 % valid"
    assert heat("depth", Depth([[[float("nan")]]]))[1] == "no valid pixel"
    assert heat("normal", Normal([[[1.0]], [[0.0]], [[-1.0]]]))[0].tolist() == [[[255, 127, 0]]]
    constant, _ = heat("channels", Channels([[[0.5, 0.5]], [[0.1, 0.2]]]))
    assert constant.shape == (1, 2, 3)
