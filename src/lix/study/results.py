"""The finished runs of a study as numbers: one tidy table, and what each row of a table is."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from lix.core.errors import require
from lix.core.files import atomic_write
from lix.core.registry import find
from lix.runs.recipe import Distillation
from lix.study.grid import Planned, Study, plan
from lix.study.records import METRICS, DamagedError, Record, read_across, read_folder, read_packed

COLUMNS = (
    *("study", "data", "network", "method", "options", "seed", "epoch", "metric", "value"),
    *("seconds_per_step", "peak_memory_mb", "parameters", "commit", "hardware", "run"),
)


@dataclass(frozen=True)
class Finished:
    """A run of a study that has ended."""

    planned: Planned
    run: Record

    def final(self, metric: str, last: int) -> float:
        """Mean of the last evaluations, a share in [0, 1]: one alone is noisier."""
        values = [value for _, value in self.run.curve(f"val_{metric}")]
        return fmean(values[-last:])

    @property
    def seconds_per_step(self) -> float:
        """Of training alone: that of the median epoch, without the first, which warms up."""
        seconds = [value for _, value in self.run.curve("seconds")]
        steps: int = self.run.result["steps_per_epoch"]
        return median(seconds[1:] or seconds) / steps


@dataclass(frozen=True)
class Results:
    """What there is of a study."""

    runs: list[Finished]
    """In the order of its recipe."""
    planned: int
    """How many runs it has, equal ones counted once."""
    damaged: dict[str, str]
    """Runs and files that cannot be read, and are left out, with the reasons."""

    @property
    def damage(self) -> str:
        """A sentence about what is left out; empty where nothing is."""
        if not self.damaged:
            return ""
        named = "; ".join(f"{name}: {why}" for name, why in self.damaged.items())
        return (
            f"{len(self.damaged)} damaged and left out; restore them, or move them away and "
            f"run the study again: {named}."
        )


def load_results(study: Study, output: Path) -> Results:
    """Read the runs of a study that have ended, those in its folder and those that are packed.

    Raises:
        ValueError: no run has ended, or none can be read.
    """
    planned = plan(study, output)
    names = {one.job.name for one in planned}
    records, damaged = read_packed(output, study.name, names)
    for job in {one.job.name: one.job for one in planned}.values():
        try:
            if job.name in records:
                extra = read_across(job.folder.path)
                if extra:
                    known = records[job.name]
                    records[job.name] = replace(known, across={**extra, **known.across})
            elif job.folder.finished:
                records[job.name] = read_folder(job.folder.path)
                damaged.pop(job.name, None)
        except DamagedError as error:  # noqa: PERF203 - each run may be damaged
            damaged[job.name] = str(error)
    runs = [Finished(one, records[one.job.name]) for one in planned if one.job.name in records]
    results = Results(runs, len(names), damaged)
    if not runs:
        none = f"No run of this study in {output} has ended; start `lix study run`."
        raise ValueError(f"{none} {results.damage}".strip())
    return results


def tidy(study: Study, runs: Sequence[Finished]) -> Iterator[dict[str, Any]]:
    """Rows of the tidy table: every evaluation of every run, and its results.

    `epoch` is empty where the value is a result: the paper's metrics as means of the last
    evaluations, `IoU/CLASS` of the best checkpoint, and its `METRIC@DATA` on other data.
    """
    for one in runs:
        planned, result = one.planned, one.run.result
        distill = one.run.recipe.distill
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
        final = {metric: one.final(metric, study.last) for metric in METRICS}
        final |= {f"IoU/{c}": v for c, v in result["iou"].items() if v is not None}
        for data in study.data:
            elsewhere = one.run.across.get(planned.cross_key(study, data))
            if elsewhere is not None:
                final |= {f"{metric}@{data}": elsewhere[metric] for metric in METRICS}
        for metric, value in final.items():
            yield shared | {"epoch": "", "metric": metric, "value": round(value, 6)}
        for epoch, quantity, value in one.run.history:
            yield shared | {"epoch": epoch, "metric": quantity, "value": float(f"{value:.6g}")}


def _chosen(distill: Distillation) -> dict[str, Any]:
    """What a row chooses, without what it leaves at its default."""
    return distill.model_dump(mode="json", exclude={"teacher"}, exclude_defaults=True)


def write_tidy(study: Study, runs: Sequence[Finished], path: Path) -> None:
    """Write the tidy table as CSV."""
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(tidy(study, runs))


@dataclass(frozen=True)
class Score:
    """A metric of a method over seeds."""

    values: dict[int, float]
    """By seed, a share in [0, 1]."""

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
        """In percent, as in `56.0 ± 3.0`."""
        interval = self.interval
        return f"{100 * self.mean:.1f}" + ("" if interval is None else f" ± {100 * interval:.1f}")

    def p_value(self, other: Score) -> float | None:
        """Of a paired t-test over the seeds that both have, two-sided; None for fewer than two."""
        seeds = sorted(self.values.keys() & other.values.keys())
        if len(seeds) < 2:
            return None
        require("study", "scipy")
        from scipy.stats import ttest_rel

        ours, theirs = ([s.values[seed] for seed in seeds] for s in (self, other))
        if ours == theirs:
            return 1.0
        if len({round(a - b, 12) for a, b in zip(ours, theirs, strict=True)}) == 1:
            return None  # one difference throughout has no spread to test by
        return float(ttest_rel(ours, theirs).pvalue)

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
    """`teacher`, `none`, `logit`, `feature` or `both`."""
    scores: dict[str, Score]
    seconds_per_step: float


def summarise(study: Study, runs: Sequence[Finished]) -> list[Row]:
    """A row for each data set, network and method that has a finished run."""
    groups: dict[tuple[str, str, str], list[Finished]] = {}
    for one in runs:
        key = one.planned.data, one.planned.network, one.planned.method
        groups.setdefault(key, []).append(one)
    order = {entry.name: i for i, entry in enumerate(study.methods)}
    places = list(study.data), list(study.networks)
    return [
        Row(
            *(data, network, method, _kind(group[0])),
            {m: Score({f.planned.seed: f.final(m, study.last) for f in group}) for m in METRICS},
            fmean(f.seconds_per_step for f in group),
        )
        for (data, network, method), group in sorted(
            groups.items(),
            key=lambda item: (
                places[0].index(item[0][0]),
                places[1].index(item[0][1]),
                order.get(item[0][2], -1),
            ),
        )
    ]


def _kind(one: Finished) -> str:
    if one.run.method == "teacher":
        return "teacher"
    kind: str = find("methods", one.run.method).load().kind
    return kind
