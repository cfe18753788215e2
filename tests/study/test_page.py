"""The page of a study: whole in itself, escaped, and alive in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from lix.study.loose import read_runs
from lix.study.page import write_page
from lix.study.results import load_results
from lix.study.viewer import Viewer, png, view
from tests.study.conftest import STUDY

PALETTE = {"road": (1, 2, 3)}


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(_runs: object) -> Viewer:
        names = ("RGB", "depth", "truth", "teacher", "KD's")
        grey = [np.full((4, 6, 3), 40 * i, np.uint8) for i in range(len(names))]
        frame = {name: png(picture) for name, picture in zip(names, grey, strict=True)}
        return Viewer([frame, dict(frame)], PALETTE)

    monkeypatch.setattr("lix.study.page.view", made)


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
    monkeypatch.setattr("lix.study.page.view", view)
    write_page(load_results(STUDY, output), output / "report.html")
    sentence = "No pictures of teacher, none, KD, AT: the weights are not on this disk"
    assert sentence in (output / "report.html").read_text()


def test_escapes_what_it_prints(output: Path) -> None:
    evil = STUDY.model_copy(update={"title": "<script>alert(1)</script>"})
    write_page(load_results(evil, output), output / "report.html")
    parser = Addresses()
    parser.feed((output / "report.html").read_text())
    assert parser.tags.count("script") == 1


PROBE = r"""<script>
addEventListener("load", () => {
  const found = [];
  const first = () => document.querySelector("table.sortable tbody tr").cells[0].textContent;
  const mIoU = document.querySelectorAll("table.sortable")[0].querySelectorAll("th")[4];
  for (const _ of [1, 2]) { mIoU.click(); found.push(first()); }
  const viewer = document.querySelector(".viewer"), slider = viewer.querySelector("input");
  const over = viewer.querySelector(".over");
  slider.value = 20;
  slider.dispatchEvent(new Event("input"));
  found.push(getComputedStyle(over).clipPath);
  found.push(viewer.querySelector(".left").value);
  const before = viewer.querySelector(".under").src;
  viewer.querySelector(".right").value = "RGB";
  viewer.querySelector(".right").dispatchEvent(new Event("change"));
  found.push(viewer.querySelector(".under").src !== before);
  viewer.querySelectorAll(".thumbs button")[3].click();
  found.push(viewer.querySelector(".left").value);
  viewer.querySelector(".enlarge").click();
  const dialog = document.querySelector("dialog");
  found.push(dialog.open && dialog.contains(viewer));
  viewer.querySelector(".enlarge").click();
  const chip = document.querySelectorAll(".chips button")[2];
  const curve = document.querySelector('svg [data-row="2"]');
  chip.click();
  found.push(curve.classList.contains("on"), chip.getAttribute("aria-pressed"));
  document.title = JSON.stringify(found);
});
</script></body>"""
PHONE = """<title></title><iframe width="390" srcdoc="{}"></iframe><script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
  const scrolls = [...page.querySelectorAll(".scroll")].some(box => box.scrollWidth > 390);
  document.title = JSON.stringify([root.scrollWidth === root.clientWidth, scrolls]);
}});
</script>"""
CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"),
)


def browse(path: Path, tmp_path: Path) -> tuple[object, str]:
    """What a page leaves in its title, and what the browser says of errors."""
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [CHROMIUM or "chromium", *FLAGS, profile, path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    title = re.search("<title>(.*)</title>", done.stdout)
    assert title is not None
    return json.loads(title[1]), done.stderr


@pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="needs Debian's chromium")
def test_sorts_and_slides_in_a_browser_without_console_errors(output: Path, tmp_path: Path) -> None:
    path = output / "report.html"
    write_page(load_results(STUDY, output), path)
    path.write_text(path.read_text().replace("</body>", PROBE))
    title, errors = browse(path, tmp_path)
    sorts, slides = ["teacher", "AT"], ["inset(0px 80% 0px 0px)", "KD's", True, "teacher"]
    assert title == [*sorts, *slides, True, False, "false"]
    assert "CONSOLE" not in errors


@pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="needs Debian's chromium")
def test_on_a_phone_tables_scroll_and_the_page_does_not(output: Path, tmp_path: Path) -> None:
    path = output / "report.html"
    write_page(load_results(STUDY, output), path)
    path.write_text(PHONE.format(escape(path.read_text())))
    assert browse(path, tmp_path)[0] == [True, True]


def chips(page: Path) -> dict[str, bool]:
    """Name of a row → whether its curves have a colour from the start."""
    found = re.findall(
        r'<button data-row="\d+" class="(on)?".*?</i>(.*?)</button>', page.read_text()
    )
    return {name: bool(on) for on, name in found}


def test_of_many_curves_only_the_best_and_the_references_have_colours(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = output / "report.html"
    write_page(load_results(STUDY, output), page)
    assert all(chips(page).values())
    monkeypatch.setattr("lix.study.page.FEW", 3)
    monkeypatch.setattr("lix.study.page.HIGHLIGHTED", 1)
    write_page(load_results(STUDY, output), page)
    assert chips(page) == {"teacher": True, "none": True, "KD": True, "AT": False}


def test_the_best_students_are_marked_and_teachers_do_not_compete(output: Path) -> None:
    page = output / "report.html"
    write_page(load_results(STUDY, output), page)
    best = set(re.findall(r'class="best">(?:<strong>)?([^<]+)', page.read_text()))
    assert best == {"56.0 ± 3.0"}, "equal costs and classes have no best"


def test_any_runs_make_the_same_page(output: Path) -> None:
    runs = sorted((output / "runs").iterdir())
    (runs[0] / "result.json").unlink()
    results = read_runs(runs)
    page = output / "any.html"
    write_page(results, page)
    text = page.read_text()
    assert "lix report: 9 runs" in text
    assert "9 of 10 runs are done" in text
    assert f"1 damaged and left out; finish them with --resume, or restore them: {runs[0]}" in text
    assert "Scores of the weights that a run ends with" in text
