"""Any run folders as the results that tables and pages show, as if they were one study."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from lix.core.registry import merge
from lix.runs.folder import RunFolder
from lix.runs.settings import IRRELEVANT_TO_RESULT, Data
from lix.study.definition import Study
from lix.study.plan import Job, PlannedRun
from lix.study.records import DamagedError, Record, read_folder
from lix.study.results import CompletedRun, Results

YAML = (".yaml", ".yml")


def read_runs(paths: Iterable[Path]) -> Results:
    """Read finished runs; those that differ only in the seed are one row.

    Runs are compared with those on the same validation frames and classes, whatever the network.
    A row is named by its run's folder.

    Args:
        paths: run folders, or checkpoints in them.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: none is named, or none of them is finished and readable.
    """
    folders = list(dict.fromkeys(_folder(path) for path in paths))
    records: dict[Path, Record] = {}
    damaged: dict[str, str] = {}
    for folder in folders:
        try:
            records[folder] = read_folder(folder)
        except (DamagedError, FileNotFoundError) as error:  # noqa: PERF203 - each may be damaged
            damaged[str(folder)] = str(error)
    if not records:
        reasons = " ".join(damaged.values()) or "Name run folders, such as runs/teacher runs/lix."
        raise ValueError(reasons)
    return _results(_rows(records), planned=len(folders), damaged=damaged)


def _folder(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; name a run folder.")
    return RunFolder.of(path.absolute()).path


@dataclass(frozen=True)
class _Row:
    """Runs that differ only in the seed."""

    label: str
    records: Sequence[Record]

    @property
    def frames(self) -> str:
        """What runs must share to be compared: validation frames and the classes that count."""
        first = self.records[0]
        data = first.recipe.data
        options = {k: v for k, v in merge(data.options, data.val).items() if k != "x"}
        classes = [list(first.result["iou"]), first.result.get("not_scored", [])]
        return json.dumps([data.name, _root(data), options, *classes], default=str)

    @property
    def network(self) -> str:
        return self.records[0].recipe.network.name


def _rows(records: Mapping[Path, Record]) -> list[_Row]:
    """Rows in the order of the runs."""
    labels = _labels(list(records))
    groups: dict[str, list[tuple[str, Record]]] = {}
    for folder, record in records.items():
        groups.setdefault(_settings(record), []).append((labels[folder], record))
    rows: dict[str, _Row] = {}
    for group in groups.values():
        seeds = [record.recipe.training.seed for _, record in group]
        together = [group] if len(set(seeds)) == len(seeds) else [[one] for one in group]
        for part in together:
            names = [name for name, _ in part]
            label = _shared_name(names)
            label = ", ".join(names) if label in rows else label
            rows[label] = _Row(label, [record for _, record in part])
    return list(rows.values())


def _settings(record: Record) -> str:
    """All that makes a result but the seed, as text."""
    left_out: Any = {"output": True, "training": {"seed", *IRRELEVANT_TO_RESULT}}
    return record.recipe.model_dump_json(exclude=left_out)


def _labels(folders: Sequence[Path]) -> dict[Path, str]:
    """The end of each path that tells it from the others."""
    for length in range(1, max(len(folder.parts) for folder in folders) + 1):
        labels = {folder: "/".join(folder.parts[-length:]) for folder in folders}
        if len(set(labels.values())) == len(folders):
            break
    return labels


def _shared_name(names: Sequence[str]) -> str:
    """What names of runs with several seeds have in common.

    >>> _shared_name(["kd-seed0", "kd-seed1"])
    'kd (2 seeds)'
    """
    if len(names) == 1:
        return names[0]
    letters = zip(*names, strict=False)
    shared = "".join(first for first, *_ in takewhile(lambda same: len(set(same)) == 1, letters))
    common = re.sub(r"[-_. /]+(seed|s)?[-_. ]*$", "", shared)
    return f"{common or names[0]} ({len(names)} seeds)"


def _root(data: Data) -> Path | None:
    return data.val_root or data.root


def _place(data: Data) -> str:
    """A short name of a data set: its folder's."""
    root = _root(data)
    if root is None:
        return data.name
    return root.parent.name if root.suffix in YAML else root.name


def _results(rows: Sequence[_Row], *, planned: int, damaged: dict[str, str]) -> Results:
    places: dict[str, str] = {}
    for row in rows:
        name = _place(row.records[0].recipe.data)
        number = sum(label.partition(" (")[0] == name for label in places.values())
        places.setdefault(row.frames, f"{name} ({number + 1})" if number else name)
    networks = {
        frames: ", ".join(dict.fromkeys(row.network for row in rows if row.frames == frames))
        for frames in places
    }
    every = [record for row in rows for record in row.records]
    study = Study.model_validate(
        {
            "name": "report",
            "title": f"lix report: {len(every)} run{'s' if len(every) > 1 else ''}",
            "data": {place: {} for place in places.values()},
            "networks": {names: {} for names in networks.values()},
            "methods": [
                {"method": "none" if method == "teacher" else method, "label": row.label}
                for row in rows
                for method in [row.records[0].method]
            ],
            "seeds": sorted({record.recipe.training.seed for record in every}),
            "average_last": None,
        }
    )
    runs = [
        CompletedRun(
            PlannedRun(
                *(places[row.frames], networks[row.frames], row.label, record.recipe.training.seed),
                Job(str(record.folder), record.recipe),
            ),
            record,
        )
        for row in rows
        for record in row.records
    ]
    remedy = "finish them with --resume, or restore them"
    return Results(study, runs, planned, damaged, remedy)
