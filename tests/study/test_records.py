"""Records: what is packed is what was there, and what is damaged stops nothing."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

import lix.study.records
import lix.study.schedule
from lix.cli.app import app
from lix.runs.folder import RunFolder
from lix.study.definition import Study
from lix.study.plan import plan
from lix.study.plots import write_figures
from lix.study.records import PACKED, DamagedError
from lix.study.results import load_results
from lix.study.schedule import run_study
from lix.study.tables import write_tables
from tests.study.conftest import STUDY


def pack(study: Study, output: Path, target: Path) -> Path:
    recipe = target / "study.yaml"
    target.mkdir(exist_ok=True)
    entries = study.model_dump(mode="json", exclude_defaults=True)
    recipe.write_text(json.dumps(entries))
    words = ["study", "pack", str(recipe), "--runs", str(output), "--output", str(target)]
    app.meta(words, result_action="return_value")
    return target / study.name / PACKED


def written(study: Study, output: Path, folder: Path) -> dict[str, bytes]:
    """All files of the tables and figures."""
    results = load_results(study, output)
    write_tables(results, folder)
    write_figures(results, folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("real", [False, True])
def test_tables_and_figures_of_packed_runs_are_the_same(
    output: Path, real_study: Study, real_output: Path, tmp_path: Path, real: bool
) -> None:
    study, runs = (real_study, real_output) if real else (STUDY, output)
    before = written(study, runs, tmp_path / "before")
    packed = pack(study, runs, tmp_path / "packed")
    assert written(study, tmp_path / "packed", tmp_path / "after") == before
    assert not (tmp_path / "packed" / "runs").exists()
    content = packed.read_bytes()
    assert pack(study, tmp_path / "packed", tmp_path / "packed").read_bytes() == content
    names = [json.loads(line)["run"] for line in gzip.decompress(content).splitlines()]
    assert names == sorted({one.job.name for one in plan(study, runs)})


def test_histories_come_back_to_the_last_bit(
    real_study: Study, real_output: Path, tmp_path: Path
) -> None:
    pack(real_study, real_output, tmp_path)
    for before, after in zip(
        load_results(real_study, real_output).runs,
        load_results(real_study, tmp_path).runs,
        strict=True,
    ):
        assert after.record.history == before.record.history
        assert after.record.result == before.record.result
        assert after.record.recipe == before.record.recipe


def test_shares_of_classes_stay_in_the_folder(output: Path, tmp_path: Path) -> None:
    run = plan(STUDY, output)[1]
    with (output / "runs" / run.job.name / "history.csv").open("a") as file:
        file.write("3,teacher_unlabelled_car,0.25\n3,confidence_unlabelled,0.75\n")
    pack(STUDY, output, tmp_path / "packed")
    record = next(
        one.record
        for one in load_results(STUDY, tmp_path / "packed").runs
        if one.planned.job.name == run.job.name
    )
    assert record.curve("confidence_unlabelled") == [(3, 0.75)]
    assert record.curve("teacher_unlabelled_car") == []


def test_a_study_skips_what_is_packed(
    real_study: Study,
    real_output: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pack(real_study, real_output, tmp_path)
    started: list[object] = []
    monkeypatch.setattr(
        lix.study.schedule, "GpuPool", lambda _: lambda job: started.append(job.name)
    )
    assert run_study(real_study, tmp_path, console=Console(quiet=True)) == {}
    assert started == []
    assert not (tmp_path / "runs").exists()


def test_packed_and_new_runs_are_one_study(output: Path, tmp_path: Path) -> None:
    fewer = STUDY.model_copy(update={"seeds": (0, 1)})
    pack(fewer, output, tmp_path / "both")
    new = [one.job.name for one in plan(STUDY, output) if one.seed == 2]
    for name in new:
        shutil.copytree(output / "runs" / name, tmp_path / "both" / "runs" / name)
    whole = written(STUDY, output, tmp_path / "whole")
    assert written(STUDY, tmp_path / "both", tmp_path / "both-tables") == whole


def test_packing_keeps_what_the_file_holds_of_other_runs(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = pack(STUDY, output, tmp_path / "whole").read_bytes()
    pack(STUDY.model_copy(update={"seeds": (0, 1)}), output, tmp_path / "parts")
    seed_2 = STUDY.model_copy(update={"seeds": (2,)})
    assert pack(seed_2, output, tmp_path / "parts").read_bytes() == whole
    assert "beside 6 that were there" in capsys.readouterr().out


def test_packing_leaves_a_damaged_file_alone(output: Path, tmp_path: Path) -> None:
    packed = pack(STUDY, output, tmp_path / "packed")
    half = packed.read_bytes()[:-100]
    packed.write_bytes(half)
    with pytest.raises(DamagedError, match="move it away"):
        pack(STUDY, output, tmp_path / "packed")
    assert packed.read_bytes() == half


def test_another_studys_file_in_the_same_folder_counts(output: Path, tmp_path: Path) -> None:
    pack(STUDY, output, tmp_path / "packed")
    other = STUDY.model_copy(update={"name": "other", "methods": STUDY.methods[:2]})
    assert len(load_results(other, tmp_path / "packed").runs) == 7


DAMAGE = {
    "half a result": ("result.json", '{"mIoU": 0.5, "iou"'),
    "a deep result": ("result.json", "[" * 100_000),
    "not finite": ("result.json", {"mIoU": float("nan")}),
    "over 100": ("result.json", {"fwIoU": 1.01}),
    "impossible class": ("result.json", {"iou": {"road": -0.5, "car": None}}),
    "no commit": ("result.json", {"commit": ...}),
    "no memory": ("result.json", {"peak_memory_mb": "much"}),
    "no time": ("result.json", {"seconds": float("inf")}),
    "half a history": ("history.csv", "epoch,quantity,value\n0,val_mI"),
    "impossible evaluation": ("history.csv", ""),
    "a recipe from elsewhere": ("recipe.yaml", "optim: {rate: 1}"),
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_a_damaged_run_is_named_and_left_out(output: Path, tmp_path: Path, fault: str) -> None:
    lost = next(one for one in plan(STUDY, output) if (one.method, one.seed) == ("KD", 1)).job
    file, content = DAMAGE[fault]
    path = lost.folder.path / file
    if isinstance(content, dict):
        entries = json.loads(path.read_text()) | content
        content = json.dumps({k: v for k, v in entries.items() if v is not ...})
    if fault == "impossible evaluation":
        content = path.read_text().replace("val_mIoU,", "val_mIoU,9", 1)
    path.write_text(content)
    results = load_results(STUDY, output)
    assert len(results.runs) == 9
    assert list(results.damaged) == [lost.name]
    text = write_tables(load_results(STUDY, output), tmp_path / "tables")
    assert "9 of 10 runs are done." in text
    assert (
        "1 damaged and left out; restore them, or move them away and run the study again: " in text
    )
    assert lost.name in text


@pytest.mark.parametrize(
    ("section", "change"),
    [("optim", {"lr": 9.0}), ("training", {"seed": 7}), ("distill", {"method": "at"})],
)
def test_a_run_edited_by_hand_does_not_count(
    output: Path, tmp_path: Path, section: str, change: dict[str, Any]
) -> None:
    (run, *_) = (run for run in plan(STUDY, tmp_path) if run.method == "KD")
    path = run.job.recipe.output / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text())
    recipe[section] |= change
    path.write_text(yaml.safe_dump(recipe))
    damage = load_results(STUDY, tmp_path).damage
    assert "1 damaged and left out" in damage
    assert f"{run.job.name}: its recipe has other settings than the study ({section}" in damage


def test_a_damaged_line_or_file_of_packed_runs_costs_only_itself(
    output: Path, tmp_path: Path
) -> None:
    path = pack(STUDY, output, tmp_path / "packed")
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[3] = lines[3][:200] + b"\n"
    path.write_bytes(gzip.compress(b"".join(lines)))
    results = load_results(STUDY, tmp_path / "packed")
    assert len(results.runs) == 9
    assert list(results.damaged) == [lines[3][8:20].decode()]
    path.write_bytes(path.read_bytes()[:-100])
    assert str(path) in load_results(STUDY, tmp_path / "packed").damaged
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ValueError, match=r"has ended.* 1 damaged and left out"):
        load_results(STUDY, tmp_path / "packed")


@pytest.mark.parametrize("fault", ["nested too deeply", "longer than"])
def test_a_deep_or_endless_line_of_packed_runs_is_left_out(
    output: Path, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(STUDY, output, tmp_path / "packed")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    monkeypatch.setattr(lix.study.records, "MAX_LINE", 200_000)
    assert max(map(len, lines)) < 100_000
    deep = lines[-1][:20] + '","recipe":' + "[" * 100_000
    lines[-1] = deep if fault == "nested too deeply" else "x" * 10**6
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    results = load_results(STUDY, tmp_path / "packed")
    assert len(results.runs) == 9
    ((where, why),) = results.damaged.items()
    assert where == (deep[8:20] if fault == "nested too deeply" else str(path))
    assert fault in why


def test_damaged_runs_are_not_packed(output: Path, tmp_path: Path) -> None:
    RunFolder(plan(STUDY, output)[0].job.recipe.output).result.write_text("{}")
    with pytest.raises(ValueError, match="1 damaged and left out"):
        pack(STUDY, output, tmp_path)
