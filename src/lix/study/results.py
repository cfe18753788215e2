"""The finished runs of a study as numbers: one tidy table, and what each row of a table is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import pandas as pd

from lix.core.errors import require
from lix.core.files import atomic_write
from lix.core.registry import find
from lix.evaluation.metrics import METRICS
from lix.runs.recipe import Recipe
from lix.runs.settings import IRRELEVANT_TO_RESULT, Distillation
from lix.study.definition import Study
from lix.study.escape import no_formula
from lix.study.plan import PlannedRun, plan
from lix.study.records import DamagedError, Record, read_across, read_folder, read_packed

BOUNDS = ("teacher", "ceiling")
"""Kinds of rows that methods are measured by and do not compete with."""
COLUMNS = (
    *("study", "data", "network", "method", "options", "seed", "epoch", "metric", "value"),
    *("seconds_per_step", "peak_memory_mb", "parameters", "commit", "hardware", "run"),
)


@dataclass(frozen=True)
class CompletedRun:
    """A run of a study that has ended."""

    planned: PlannedRun
    record: Record

    @property
    def place(self) -> tuple[str, str]:
        """Data and network of the run; only runs of the same place are compared."""
        return self.planned.data, self.planned.network

    def final(self, metric: str, average_last: int | None) -> float:
        """Mean of the last evaluations, a share in [0, 1]: a single one is noisier.

        Without a number it is the score of the weights that the run ends with.
        """
        if average_last is None:
            return float(self.record.result[metric])
        values = [value for _, value in self.record.curve(f"val_{metric}")]
        return fmean(values[-average_last:])

    @property
    def seconds_per_step(self) -> float:
        """Seconds of a training step in the median epoch, the first, a warm-up, left out."""
        seconds = [value for _, value in self.record.curve("seconds")]
        steps: int = self.record.result["steps_per_epoch"]
        return median(seconds[1:] or seconds) / steps


@dataclass(frozen=True)
class Results:
    """Finished runs of a study and what is missing of it."""

    study: Study
    runs: Sequence[CompletedRun]
    """Finished runs in the order of the study's recipe."""
    planned: int
    """Number of runs in the recipe, equal ones counted once."""
    damaged: dict[str, str]
    """Runs and files that cannot be read and are left out, with the reasons."""
    remedy: str = "restore them, or move them away and run the study again"
    """What to do about the damaged ones."""

    @property
    def damage(self) -> str:
        """A sentence about what is left out; empty where nothing is."""
        if not self.damaged:
            return ""
        named = "; ".join(f"{name}: {why}" for name, why in self.damaged.items())
        return f"{len(self.damaged)} damaged and left out; {self.remedy}: {named}."


def load_results(study: Study, output: Path) -> Results:
    """Read the runs of a study that have ended, those in its folder and those that are packed.

    A packed record counts before a folder: it does not change where a teacher is trained anew.

    Raises:
        ValueError: no run has ended, or none can be read.
    """
    planned = plan(study, output)
    jobs = {one.job.name: one.job for one in planned}
    records, damaged = read_packed(output, study.name, jobs)
    for name, job in jobs.items():
        try:
            if name in records:
                across = read_across(job.folder.path) | dict(records[name].across)
                records[name] = replace(records[name], across=across)
            elif job.folder.finished:
                record = read_folder(job.folder.path)
                _require_planned(record, job.recipe)
                records[name] = record
                damaged.pop(name, None)
        except DamagedError as error:  # noqa: PERF203 - each run may be damaged
            damaged[name] = str(error)
    runs = [CompletedRun(one, records[one.job.name]) for one in planned if one.job.name in records]
    results = Results(study, runs, len(jobs), damaged)
    if not runs:
        none = f"No run of this study in {output} has ended; start `lix study run`."
        raise ValueError(f"{none} {results.damage}".strip())
    return results


def _require_planned(record: Record, planned: Recipe) -> None:
    """Check that a run was trained as the study plans; its paths may be those of a moved folder.

    Raises:
        DamagedError: it was not; the message names the settings.
    """
    now, then = (_settings(recipe) for recipe in (record.recipe, planned))
    if changed := sorted(name for name in now if now[name] != then[name]):
        raise DamagedError(f"its recipe has other settings than the study ({', '.join(changed)})")


def _settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that make a result, by section or name, without paths."""
    distill = recipe.distill and recipe.distill.model_dump(exclude={"teacher"})
    settings = {"role": recipe.role, "network": recipe.network, "distill": distill}
    for section in ("optim", "augment", "training"):
        for name, value in getattr(recipe, section):
            if name not in IRRELEVANT_TO_RESULT:
                settings[f"{section}.{name}"] = value
    return settings | {f"data.{name}": getattr(recipe.data, name) for name in ("name", "size", "x")}


def tidy(results: Results) -> pd.DataFrame:
    """The tidy table: a row for each value of each evaluation of each run, and for each result.

    `epoch` is empty where the value is a result: the paper's metrics as means of the last
    evaluations, `IoU/CLASS` of the best checkpoint, and its `METRIC@DATA` on other data.
    """
    rows = [row for one in results.runs for row in _tidy_rows(results.study, one)]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def _tidy_rows(study: Study, one: CompletedRun) -> Iterator[dict[str, Any]]:
    planned, result = one.planned, one.record.result
    distill = one.record.recipe.distill
    shared = {
        "study": study.name,
        "data": planned.data,
        "network": planned.network,
        "method": planned.method,
        "options": json.dumps(_chosen(distill) if distill else {}, sort_keys=True),
        "seed": planned.seed,
        "seconds_per_step": round(one.seconds_per_step, 5),
        **{key: result[key] for key in ("peak_memory_mb", "parameters", "commit", "hardware")},
        "run": planned.job.name,
    }
    final = {metric: one.final(metric, study.average_last) for metric in METRICS}
    final |= {f"IoU/{c}": v for c, v in result["iou"].items() if v is not None}
    for data in study.data:
        elsewhere = one.record.across.get(planned.cross_key(study, data))
        if elsewhere is not None:
            final |= {f"{metric}@{data}": elsewhere[metric] for metric in METRICS}
    for metric, value in final.items():
        yield shared | {"epoch": "", "metric": metric, "value": round(value, 6)}
    for epoch, quantity, value in one.record.history:
        yield shared | {"epoch": epoch, "metric": quantity, "value": float(f"{value:.6g}")}


def _chosen(distill: Distillation) -> dict[str, Any]:
    """What a row chooses, without what it leaves at its default."""
    return distill.model_dump(mode="json", exclude={"teacher"}, exclude_defaults=True)


def write_tidy(results: Results, path: Path) -> None:
    """Write the tidy table as CSV."""
    with atomic_write(path) as part:
        tidy(results).map(no_formula).to_csv(part, index=False, lineterminator="\r\n")


@dataclass(frozen=True)
class Score:
    """A metric of a method over seeds."""

    values: dict[int, float]
    """Share in [0, 1] by seed, or by pair of data and seed where data are pooled."""

    @property
    def mean(self) -> float:
        return fmean(self.values.values())

    @property
    def interval(self) -> float | None:
        """Half width of the 95 % interval of the mean, by Student's t; None for one seed."""
        count = len(self.values)
        if count < 2:
            return None
        require("study", "scipy")
        from scipy.stats import t

        return float(t.ppf(0.975, count - 1)) * stdev(self.values.values()) / count**0.5

    def __str__(self) -> str:
        """Percent, as in `56.0 ± 3.0`."""
        interval = self.interval
        return f"{100 * self.mean:.1f}" + ("" if interval is None else f" ± {100 * interval:.1f}")

    def p_value(self, other: Score) -> float | None:
        """Two-sided p of a paired t-test over the seeds that both have; None for fewer than two."""
        seeds = sorted(self.values.keys() & other.values.keys())
        if len(seeds) < 2:
            return None
        require("study", "scipy")
        from scipy.stats import ttest_rel

        values, others = ([s.values[seed] for seed in seeds] for s in (self, other))
        if values == others:
            return 1.0
        if len({round(a - b, 12) for a, b in zip(values, others, strict=True)}) == 1:
            return None  # equal differences have no spread to test by
        return float(ttest_rel(values, others).pvalue)

    def p_text(self, other: Score) -> str:
        """The p value as tables show it, empty where there is none."""
        p = self.p_value(other)
        return "" if p is None else f"{p:.3f}"


@dataclass(frozen=True)
class Row:
    """A method on one data set with one network."""

    data: str
    network: str
    method: str
    kind: str
    """`teacher`, `ceiling`, `none`, `logit`, `feature` or `both`."""
    scores: dict[str, Score]
    seconds_per_step: float


def summarise(results: Results) -> list[Row]:
    """A row for each data set, network and method that has a finished run."""
    study = results.study
    groups: dict[tuple[str, str, str], list[CompletedRun]] = {}
    for one in results.runs:
        groups.setdefault((*one.place, one.planned.method), []).append(one)
    data, networks = list(study.data), list(study.networks)
    methods = [*study.teachers, *(entry.name for entry in study.methods)]

    def order(key: tuple[str, str, str]) -> tuple[int, int, int]:
        return data.index(key[0]), networks.index(key[1]), methods.index(key[2])

    return [
        Row(
            *(*key, _kind(group[0])),
            {
                metric: Score({f.planned.seed: f.final(metric, study.average_last) for f in group})
                for metric in METRICS
            },
            fmean(f.seconds_per_step for f in group),
        )
        for key, group in sorted(groups.items(), key=lambda item: order(item[0]))
    ]


def pooled(results: Results) -> Results:
    """All data as one that is called as the study says; a run's number is that of its pair."""
    study, data = results.study, list(results.study.data)
    seeds = max(one.planned.seed for one in results.runs) + 1

    def renamed(planned: PlannedRun) -> PlannedRun:
        pair = data.index(planned.data) * seeds + planned.seed
        return replace(planned, data=str(study.pool), seed=pair)

    runs = [replace(one, planned=renamed(one.planned)) for one in results.runs]
    together = study.model_copy(update={"data": {str(study.pool): {}}, "pool": None})
    return replace(results, study=together, runs=runs)


def _kind(one: CompletedRun) -> str:
    if one.record.method == "teacher":
        return "teacher"
    if one.record.recipe.unlabelled.truth:
        return "ceiling"
    kind: str = find("methods", one.record.method).load().kind
    return kind
