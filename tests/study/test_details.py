"""IoU by class and costs of a study, as Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest

from lix.study.details import class_table, cost_table, costs
from lix.study.results import load_results
from lix.study.tables import write_tables
from tests.study.conftest import STUDY


def test_classes_and_costs_by_hand(output: Path) -> None:
    runs = load_results(STUDY, output).runs
    assert class_table(runs).splitlines() == [
        "| class | teacher | none | KD | AT |",
        "|---|---|---|---|---|",
        "| road | 50.0 | 50.0 | 50.0 | 50.0 |",
        "| car | – | – | – | – |",
    ]
    row = costs(runs).loc["KD"]
    assert row["ms a step"] == pytest.approx(200.0)
    assert row["training min"] == pytest.approx(8 / 60)
    assert row["× plain student"] == pytest.approx(1.0)
    assert "| KD | 200 | 100 | 0.1333 | 7e-06 | 1 |" in cost_table(runs)


def test_both_are_files_of_the_tables(output: Path) -> None:
    write_tables(load_results(STUDY, output), output / "tables")
    assert "## streets, mfnet" in (output / "tables/classes.md").read_text()
    assert "| AT |" in (output / "tables/costs.md").read_text()
