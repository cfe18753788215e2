"""docs/results: small, whole, and its tables are what the packed runs say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console

import lix.study.schedule
from lix.study.definition import Study
from lix.study.plan import plan
from lix.study.records import PACKED, read_packed
from lix.study.results import load_results
from lix.study.schedule import run_study
from lix.study.tables import write_tables

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
STUDIES = sorted(path.parent.name for path in RESULTS.glob(f"*/{PACKED}"))
UNFINISHED = {"new-place-small"}
"""Studies whose runs are not all there yet; `lix study run` goes on with the others."""
WRITTEN = {"table.md", "table.csv", "classes.md", "costs.md"}


@pytest.fixture(autouse=True)
def own_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study may name methods of `examples/`."""
    monkeypatch.setenv("LIX_ALLOW_CODE", "1")
    monkeypatch.syspath_prepend(ROOT / "examples")


def load(name: str) -> Study:
    return Study.load(ROOT / "recipes" / "study" / f"{name}.yaml")


def test_results_are_small() -> None:
    sizes = {path: path.stat().st_size for path in RESULTS.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 8e6, sorted(sizes.items(), key=lambda item: -item[1])[:5]
    assert not list(RESULTS.rglob("*.html"))


@pytest.mark.parametrize("name", STUDIES)
def test_tables_are_those_of_the_packed_runs(name: str, tmp_path: Path) -> None:
    write_tables(load_results(load(name), RESULTS), tmp_path)
    kept = [path for path in (RESULTS / name).iterdir() if path.name in WRITTEN]
    assert kept
    for path in kept:
        assert path.read_text(encoding="utf-8") == (tmp_path / path.name).read_text("utf-8")


def test_every_kept_run_is_still_one_of_its_study() -> None:
    """A changed hash of a run would throw its result away."""
    for name in STUDIES:
        planned = {one.job.name for one in plan(load(name), RESULTS)}
        records, damaged = read_packed(RESULTS, name, planned)
        assert planned - records.keys() == set() or name in UNFINISHED
        assert records.keys() <= planned
        assert damaged == {}


def test_a_kept_study_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(
        lix.study.schedule, "GpuPool", lambda _: lambda job: started.append(job.name)
    )
    study = load("overhead-small").model_copy(update={"streets": {}})
    assert run_study(study, RESULTS, console=Console(quiet=True)) == {}
    assert started == []


@pytest.mark.parametrize(
    "document", ["results/README.md", "results/search-small/README.md", "study.md", "reproduce.md"]
)
def test_links_exist(document: str) -> None:
    path = ROOT / "docs" / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
