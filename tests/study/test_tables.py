"""Tables: means, intervals, paired tests, the recovered share, and when a number is bold."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lix.evaluation.metrics import METRICS
from lix.study.details import Bold
from lix.study.results import Row, Score, load_results, summarise
from lix.study.tables import (
    ENOUGH_SEEDS,
    ResultGroup,
    note,
    paper_value,
    print_tables,
    result_groups,
    write_tables,
)
from tests.study.conftest import FINAL, STUDY


def test_scores_by_hand() -> None:
    score = Score({0: 0.5, 1: 0.6, 2: 0.7})
    assert score.mean == pytest.approx(0.6)
    assert score.interval == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-5)
    other = Score({0: 0.4, 1: 0.52, 2: 0.58, 7: 0.1})
    t = 0.1 / (0.02 / math.sqrt(3))  # differences 0.10, 0.08, 0.12
    assert score.p_value(other) == pytest.approx(1 - t / math.sqrt(2 + t * t))  # two degrees
    assert score.p_value(score) == 1.0
    assert Score({0: 0.5}).interval is None
    assert Score({0: 0.5}).p_value(score) is None


def test_results_are_means_of_the_last_evaluations(output: Path) -> None:
    rows = summarise(load_results(STUDY, output))
    assert [row.method for row in rows] == ["teacher", "none", "KD", "AT"]
    assert [row.kind for row in rows] == ["teacher", "none", "logit", "feature"]
    for row in rows:
        assert list(row.scores["mIoU"].values.values()) == pytest.approx(FINAL[row.method])
        assert row.seconds_per_step == pytest.approx(0.2)


def test_data_are_pooled_by_pairs_of_data_and_seed(output: Path) -> None:
    one = load_results(STUDY, output)
    again = [replace(run, planned=replace(run.planned, data="again")) for run in one.runs]
    study = STUDY.model_copy(
        update={"data": {"streets": {}, "again": {}}, "pool": "both", "paper": None}
    )
    results = replace(one, study=study, runs=[*one.runs, *again])
    *_, group = result_groups(results)
    assert group.heading == "both, mfnet"
    scores = {row.method: list(row.scores["mIoU"].values.values()) for row in group.rows}
    assert scores == {method: pytest.approx(2 * values) for method, values in FINAL.items()}
    single = result_groups(one)[0]
    p = [float(g.cells(g.rows[3])["p student"]) for g in (group, single)]
    assert p[0] < p[1]
    assert "both: pairs of the same data and seed" in note(results)


def test_bold_needs_seeds_and_a_significant_difference(output: Path) -> None:
    (group,) = result_groups(load_results(STUDY, output))
    rows = group.rows
    assert {row.method: group.is_best(row, "mIoU") for row in rows} == {
        "teacher": False,
        "none": False,
        "KD": True,
        "AT": False,
    }
    assert ENOUGH_SEEDS == 3
    cells = group.cells(rows[2])
    assert cells["mIoU %"] == "56.0 ± 3.0"
    assert isinstance(cells["mIoU %"], Bold)
    assert float(cells["recovered %"]) == pytest.approx(100 * 0.06 / 0.2)
    assert cells["p student"]
    few = [row for row in rows if row.method != "KD"]
    assert not any(ResultGroup(few).is_best(row, "mIoU") for row in few)


def test_bold_is_better_than_every_other_student() -> None:
    def row(method: str, *values: float) -> Row:
        return Row("a", "b", method, "logit", {"mIoU": Score(dict(enumerate(values)))}, 0.1)

    rows = [row("KD", 0.60, 0.61, 0.59), row("AT", 0.55, 0.562, 0.54), row("SP", 0.45, 0.62, 0.47)]
    assert ResultGroup(rows[:2]).is_best(rows[0], "mIoU")
    assert not ResultGroup(rows).is_best(rows[0], "mIoU")  # cannot be told from SP, which has less


def test_the_share_of_the_reachable_gap_needs_a_ceiling() -> None:
    def row(method: str, kind: str, value: float) -> Row:
        return Row("a", "b", method, kind, {m: Score({0: value}) for m in METRICS}, 0.1)

    rows = [
        row("teacher", "teacher", 0.7),
        row("none", "none", 0.4),
        row("drive", "logit", 0.55),
        row("ceiling", "ceiling", 0.6),
    ]
    cells = {one.method: ResultGroup(rows).cells(one) for one in rows}
    assert {name: c["of reachable %"] for name, c in cells.items()} == {
        "teacher": "",
        "none": "",
        "drive": "75.0",
        "ceiling": "",
    }
    assert cells["drive"]["recovered %"] == "50.0"
    assert ResultGroup(rows).best_other(rows[1], "mIoU") is rows[2], "a bound does not compete"
    assert "of reachable %" not in ResultGroup(rows[:3]).cells(rows[2])


def test_files_hold_the_tables_and_all_numbers(output: Path) -> None:
    text = write_tables(load_results(STUDY, output), output / "tables")
    assert "10 of 10 runs are done. Made with commit abc1234 on a machine." in text
    assert "| 85.70 |" in text  # the paper's KD
    assert (output / "tables/table.md").read_text() == text
    latex = (output / "tables/table.tex").read_text()
    assert "| **56.0 ± 3.0** |" in text
    assert r"\textbf{56.0 $\pm$ 3.0}" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    with (output / "tables/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    final = [r for r in rows if r["epoch"] == "" and r["metric"] == "mIoU"]
    assert len(final) == 10
    assert {r["metric"] for r in rows if r["metric"].startswith("IoU/")} == {"IoU/road"}
    assert len([r for r in rows if r["metric"] == "val_mIoU"]) == 40
    with (output / "tables/table.csv").open() as file:
        kd = next(r for r in csv.DictReader(file) if (r["method"], r["metric"]) == ("KD", "mIoU"))
    assert float(kd["mean"]) == pytest.approx(0.56)


def test_nothing_finished_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No run of this study .* has ended; start `lix"):
        load_results(STUDY, tmp_path)


def test_the_papers_numbers() -> None:
    assert paper_value("I", "mfnet", "none", "mIoU") == 84.59
    assert paper_value("I", "mfnet", "teacher", "fwIoU") == 95.57
    assert paper_value("I", "mfnet", "Af-DCD", "mIoU") is not None
    assert paper_value("I", "mfnet", "none at all", "mIoU") is None


def test_a_terminal_shows_them_with_what_is_bold(output: Path) -> None:
    terminal = Console(file=io.StringIO(), width=200, force_terminal=True)
    print_tables(load_results(STUDY, output), terminal)
    text = terminal.file.getvalue()
    assert text.startswith("streets, mfnet\n")
    assert "\x1b[1m56.0 ± 3.0\x1b[0m" in text
    assert "Mean of the last 2 evaluations" in text
