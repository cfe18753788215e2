"""Tests of students on the data that they were not trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from rich.console import Console

from lix.core.console import plain
from lix.core.files import write_text
from lix.deploy.student import load_student
from lix.evaluation.metrics import METRICS, scores
from lix.evaluation.transfer import common_classes, evaluate_common
from lix.runs.damaged import open_readable
from lix.runs.data import evaluation_loader, open_dataset
from lix.runs.settings import Data
from lix.study.definition import Study
from lix.study.plan import PlannedRun, plan
from lix.study.records import Record
from lix.study.results import Results, Score


def check_across(study: Study) -> None:
    """Check before hours of training that all data sets have classes in common.

    Raises:
        ValueError, OSError: two have not, or the data are not here.
    """
    data = {run.data: run.job.recipe.data for run in plan(study, Path())}
    classes = {label: open_dataset(section, "val").classes for label, section in data.items()}
    for trained, tested in permutations(classes, 2):
        common_classes(classes[trained], classes[tested], _groups(study))


def _groups(study: Study) -> dict[str, tuple[str, ...]] | None:
    return None if study.cross == "same" else study.cross


def evaluate_across(
    study: Study,
    runs: Sequence[PlannedRun],
    console: Console,
    packed: Mapping[str, Record] | None = None,
) -> None:
    """Test finished students on the validation split of the data that they were not trained on.

    Their best checkpoints see it at their own size, and are scored on the classes in common (see
    `Study.cross`). What is done, here or in a packed record, is skipped; students whose weights
    are missing are named.
    """
    tested = {name: record.across for name, record in (packed or {}).items()}
    untested = [
        (run, data)
        for run in runs
        for data in study.data
        if run.method not in study.teachers and run.job.finished and data != run.data
        if not run.cross_file(study, data).is_file()
        if run.cross_key(study, data) not in tested.get(run.job.name, ())
    ]
    missing = [(run, data) for run, data in untested if run.job.usable]
    sections = {run.data: run.job.recipe.data for run in plan(study, Path())}
    for done, (run, data) in enumerate(missing, start=1):
        measured = _test(study, run, sections[data], console)
        write_text(run.cross_file(study, data), json.dumps(measured, indent=1))
        console.print(
            plain(
                f"{done}/{len(missing)} {run.method} seed {run.seed}, trained on {run.data}, "
                f"tested on {data}: mIoU {100 * measured['mIoU']:.1f} %"
            )
        )
    lost = list(dict.fromkeys(run.job.name for run, _ in untested if not run.job.usable))
    if lost:
        console.print(
            plain(
                f"Skipped the test of {len(lost)} students on other data: their checkpoints are "
                f"missing. Move their folders away to train them again: {', '.join(lost)}."
            )
        )


def _test(study: Study, run: PlannedRun, data: Data, console: Console) -> dict[str, Any]:
    """Scores of a run on other data."""
    network, spec = load_student(run.job.recipe.output)  # whose range of X does not matter here
    section = data.model_copy(update={"size": spec.size})
    dataset = open_readable(section, "val", with_x=False, console=console)
    common = common_classes(spec.classes, dataset.classes, _groups(study))
    confusion = evaluate_common(network, evaluation_loader(section, dataset, with_x=False), common)
    return scores(confusion, common.left_out(dataset.left_out)).as_dict(common.names)


@dataclass(frozen=True)
class Crossed:
    """A method with one network, trained on one data set and tested on another one."""

    network: str
    method: str
    trained: str
    tested: str
    scores: dict[str, Score]


def crossed(results: Results) -> list[Crossed]:
    """Scores on other data, in the order of the study."""
    groups: dict[tuple[str, str, str, str], dict[int, dict[str, Any]]] = {}
    for one in results.runs:
        run = one.planned
        for data in results.study.data:
            elsewhere = one.record.across.get(run.cross_key(results.study, data))
            if elsewhere is not None:
                key = run.network, run.method, run.data, data
                groups.setdefault(key, {})[run.seed] = elsewhere
    return [
        Crossed(*key, {m: Score({seed: r[m] for seed, r in by_seed.items()}) for m in METRICS})
        for key, by_seed in groups.items()
    ]


def cross_cells(study: Study, measured: Sequence[Crossed]) -> dict[str, list[dict[str, str]]]:
    """By heading: for each method its mIoU and p, by pair of training and test data.

    p is that of a paired t-test over seeds against the plain student.
    """
    plain = next((entry.name for entry in study.methods if entry.method == "none"), "")
    scored = {(c.network, c.method, c.trained, c.tested): c.scores["mIoU"] for c in measured}
    tables: dict[str, list[dict[str, str]]] = {}
    for network, method in dict.fromkeys((c.network, c.method) for c in measured):
        row = {"method": method}
        for pair in dict.fromkeys((c.trained, c.tested) for c in measured if c.network == network):
            own, base = (scored.get((network, label, *pair)) for label in (method, plain))
            place, p = " → ".join(pair), ""
            if own is not None and base is not None and method != plain:
                p = own.p_text(base)
            row |= {f"{place} %": "" if own is None else str(own), f"{place} p student": p}
        title = f"Trained → tested, {network}: mIoU of the weights that each run ends with"
        tables.setdefault(title, []).append(row)
    return tables
