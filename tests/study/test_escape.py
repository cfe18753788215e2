"""Labels and titles are the user's: no table, page or console takes them for its own code."""

from __future__ import annotations

import csv
import re
import shutil
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from lix.runs.folder import RunFolder
from lix.study.details import class_table, cost_table
from lix.study.page import write_page
from lix.study.plan import Job, plan
from lix.study.plots import write_figures
from lix.study.progress import StudyProgress
from lix.study.results import Results, load_results
from lix.study.tables import write_tables
from tests.cli.test_cli import lix
from tests.study.conftest import STUDY

EVIL = 'a|b <img src="x" onerror="f()"> $x_1 [red]r[/] & 5 % **q**, \\\n{{ y }}'


@pytest.fixture
def results(output: Path) -> Results:
    """The study by hand, in which the user named everything badly."""
    none, kd, at = STUDY.methods
    changes = {
        "title": EVIL,
        "data": {f"../{EVIL}": STUDY.data["streets"]},
        "networks": {EVIL: STUDY.networks["mfnet"]},
        "methods": (none, kd.model_copy(update={"label": EVIL}), at),
    }
    return load_results(STUDY.model_copy(update=changes), output)


def test_markdown_has_the_same_columns_and_no_tags(results: Results, tmp_path: Path) -> None:
    text = write_tables(results, tmp_path)
    for part in (text, class_table(results.runs), cost_table(results.runs)):
        rows = [line for line in part.splitlines() if line.startswith("|")]
        columns = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
        assert len(rows) > 3 - ("class" in rows[0])
        assert len(set(columns)) == 1
        assert "<img" not in part


def test_latex_has_no_commands_of_the_user(results: Results, tmp_path: Path) -> None:
    write_tables(results, tmp_path)
    text = (tmp_path / "table.tex").read_text()
    assert r"\$x\_1 {[}red]r{[}/] \& 5 \% **q**, \textbackslash{} \{\{ y \}\}" in text
    code = [line for line in text.splitlines() if not line.startswith("%")]
    assert {line.count(" & ") for line in code if line.endswith(r" \\")} == {9}


def test_csv_holds_the_text_as_it_is(results: Results, tmp_path: Path) -> None:
    write_tables(results, tmp_path)
    for name in ("table.csv", "results.csv"):
        with (tmp_path / name).open(newline="") as file:
            assert EVIL in {row["method"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("label", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "＝1"])
def test_csv_holds_no_formula(output: Path, tmp_path: Path, label: str) -> None:
    none, kd, at = STUDY.methods
    changes = {
        "data": {label: STUDY.data["streets"]},
        "methods": (none, kd.model_copy(update={"label": label}), at),
    }
    write_tables(load_results(STUDY.model_copy(update=changes), output), tmp_path)
    for name in ("table.csv", "results.csv"):
        with (tmp_path / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["data"] for row in rows} == {f"'{label}"}
        assert f"'{label}" in {row["method"] for row in rows}
        assert not any(str(cell).startswith(label) for row in rows for cell in row.values())


def test_a_page_has_no_tags_of_the_user(results: Results, tmp_path: Path) -> None:
    write_page(results, tmp_path / "report.html")
    addresses: list[str] = []

    class Page(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            addresses.extend(v or "" for k, v in attrs if k in ("src", "href", "onerror"))

    text = (tmp_path / "report.html").read_text()
    Page().feed(text)
    assert "&lt;img" in text
    assert all(address.startswith("data:") for address in addresses)


def test_figures_are_drawn_into_their_folder(results: Results, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "figures"
    files = write_figures(results, folder)
    assert len(files) == 4
    assert set(folder.iterdir()) == set(files)
    svg = (folder / next(f.name for f in files if f.suffix == ".svg")).read_text()
    assert "<img" not in svg


def test_a_console_shows_the_text_as_it_is(results: Results, output: Path) -> None:
    text = StringIO()
    runs = plan(results.study, output)
    progress = StudyProgress(runs, Console(file=text, width=1000))
    for run in runs:
        progress.ended(run.job, None)
    assert "[red]r[/]" in text.getvalue()


TAG = "[/x]"


class Failing:
    """A training that ends at once with an error."""

    def __init__(self, job: Job) -> None:
        job.folder.log.write_text(f"{TAG}\n")

    def poll(self) -> int:
        return 1

    def terminate(self) -> None: ...

    def wait(self) -> int:
        return 1


def test_commands_print_labels_titles_and_paths_as_they_stand(
    output: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then prints as to a terminal
    none, kd, at = STUDY.methods
    changes = {
        "name": "s[red]",
        "title": TAG,
        "data": {TAG: STUDY.data["streets"]},
        "networks": {TAG: STUDY.networks["mfnet"]},
        "methods": (none, kd.model_copy(update={"label": TAG}), at),
    }
    study = tmp_path / "[" / "x].yaml"
    study.parent.mkdir()
    entries = STUDY.model_copy(update=changes).model_dump(mode="json", exclude_defaults=True)
    study.write_text(yaml.safe_dump(entries))
    home = output / "[" / "y]"
    shutil.copytree(output / "runs", home / "runs")

    def said(*words: object, code: int) -> str:
        assert lix("study", *words) == code
        return "".join(capsys.readouterr())

    assert f"lix study table {study}" in said("run", study, "--output", home, code=0)
    text = said("table", study, "--runs", home, code=0)
    assert text.count(TAG) >= 3
    assert f"Written to {home / 's[red]'}" in text
    monkeypatch.setattr("lix.study.schedule.GpuPool", lambda _: Failing)
    for run in plan(STUDY, home):
        RunFolder(run.job.recipe.output).result.unlink(missing_ok=True)
    text = said("run", study, "--output", home, code=1)
    assert f"failed: {TAG}" in text
    assert str(home / "runs") in text
