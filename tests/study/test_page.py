"""The page of a study: whole in itself, escaped, and alive in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from lix.study.figures import png
from lix.study.page import write_page
from lix.study.results import load_results
from tests.study.conftest import STUDY

PALETTE = {"road": (1, 2, 3)}


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(_runs: object) -> tuple[list[dict[str, str]], dict[str, tuple[int, int, int]]]:
        names = ("RGB", "depth", "truth", "teacher", "KD's")
        grey = [np.full((4, 6, 3), 40 * i, np.uint8) for i in range(len(names))]
        frame = {name: png(picture) for name, picture in zip(names, grey, strict=True)}
        return [frame, dict(frame)], PALETTE

    monkeypatch.setattr("lix.study.page._pictures", made)


class Addresses(HTMLParser):
    """What a page loads, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_needs_nothing_from_elsewhere(output: Path) -> None:
    write_page(load_results(STUDY, output), output / "page" / "report.html")
    page = (output / "page" / "report.html").read_text()
    parser = Addresses()
    parser.feed(page)
    assert all(address.startswith("data:") for address in parser.found)
    assert "link" not in parser.tags
    assert parser.tags.count("details") == 10
    assert "56.0 ± 3.0" in page
    for method in ("teacher", "none", "KD", "AT"):
        assert f"<td>{method}</td>" in page


def test_says_where_pictures_are_missing(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_page(load_results(STUDY, output), output / "report.html")
    assert "No pictures" not in (output / "report.html").read_text()
    monkeypatch.setattr("lix.study.page._pictures", lambda _: ([], {}))
    write_page(load_results(STUDY, output), output / "report.html")
    assert "No pictures: the weights or the validation" in (output / "report.html").read_text()


def test_escapes_what_it_prints(output: Path) -> None:
    evil = STUDY.model_copy(update={"title": "<script>alert(1)</script>"})
    write_page(load_results(evil, output), output / "report.html")
    parser = Addresses()
    parser.feed((output / "report.html").read_text())
    assert parser.tags.count("script") == 1


PROBE = """<script>
addEventListener("load", () => {
  const found = [];
  const first = () => document.querySelector("table.sortable tbody tr").cells[0].textContent;
  const mIoU = document.querySelectorAll("table.sortable")[0].querySelectorAll("th")[4];
  for (const _ of [1, 2]) { mIoU.click(); found.push(first()); }
  const viewer = document.querySelector(".viewer"), slider = viewer.querySelector("input");
  slider.value = 20;
  slider.dispatchEvent(new Event("input"));
  found.push(viewer.querySelector(".over").style.clipPath, viewer.querySelector(".left").value);
  const before = viewer.querySelector(".under").src;
  viewer.querySelector(".right").value = "RGB";
  viewer.querySelector(".right").dispatchEvent(new Event("change"));
  found.push(viewer.querySelector(".under").src !== before);
  document.title = JSON.stringify(found);
});
</script></body>"""
CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"),
)


@pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="needs Debian's chromium")
def test_sorts_and_slides_in_a_browser_without_console_errors(output: Path, tmp_path: Path) -> None:
    path = output / "report.html"
    write_page(load_results(STUDY, output), path)
    path.write_text(path.read_text().replace("</body>", PROBE))
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [CHROMIUM or "chromium", *FLAGS, profile, path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    title = re.search("<title>(.*)</title>", done.stdout)
    assert title is not None
    assert json.loads(title[1]) == ["teacher", "AT", "inset(0px 80% 0px 0px)", "KD's", True]
    assert "CONSOLE" not in done.stderr
