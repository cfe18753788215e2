"""The documentation builds without warnings, needs no network, and its search works from disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import lix
from lix.core.registry import entries
from tests.study.test_page import CHROMIUM, FLAGS

ROOT = Path(__file__).parent.parent
IS_CI = bool(os.environ.get("CI"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("mkdocs") and not IS_CI, reason="needs the extra `docs`"),
]
SEARCH = """<script>
window.addEventListener("load", () => setTimeout(() => {
  const field = document.querySelector("[data-md-component=search-query]");
  field.focus();
  field.value = "recalibrate";
  field.dispatchEvent(new Event("keyup"));
  setTimeout(() => {
    const links = document.querySelectorAll("a.md-search-result__link");
    document.title = Array.from(links, (link) => link.getAttribute("href")).join(" ");
  }, 4000);
}, 1000));
</script></body>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, check=False, cwd=ROOT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def test_pages_load_nothing_from_the_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?([^\" >]+)", text)
        assert not [url for url in loaded if "//" in url], page


def test_api_page_has_every_public_name(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    shown = set(re.findall(r'id="(lix\.[\w.]+)"', page))
    losses = {f"lix.methods.{name}_loss" for name in ("kd", "dkd", "dwld", "cwkd", "at")}
    classes = {f"lix.methods.{entry.load().__name__}" for entry in entries("methods").values()}
    names = {f"lix.{name}" for name in lix._EXPORTS}
    assert names | classes | losses | {"lix.methods.build_method"} <= shown
    assert not shown & {"lix.methods.find", "lix.methods.merge", "lix._EXPORTS"}


def test_first_page_has_all_ways_in(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    links = ("your-data", "your-model", "unlabelled", "reproduce", "results/", "api")
    assert "lix demo" in page
    assert all(f'href="{link}' in page for link in links)


@pytest.mark.skipif(CHROMIUM is None and not IS_CI, reason="needs Debian's chromium")
def test_search_works_from_disk(site: Path, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(site, copy)
    page = copy / "index.html"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", SEARCH), encoding="utf-8")
    flags = [flag.replace("budget=3000", "budget=15000") for flag in FLAGS]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [CHROMIUM or "chromium", *flags, profile, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "api.html#lix.methods.recalibrate" in re.search("<title>(.*)</title>", done.stdout)[1]
