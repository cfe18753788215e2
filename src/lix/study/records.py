"""Finished runs without their weights: read from their folders, or packed in one file.

`RUNS/STUDY/runs.jsonl.gz` has a line of JSON for each run of a study, sorted by name. Its
`history` has a list for each quantity but `NOT_PACKED`, one value an epoch, null where there is
none; values are shortened to the digits of single precision where that loses nothing (all but those
of `doubles`).
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lix.core.files import atomic_write
from lix.core.json_text import parse_json
from lix.evaluation.metrics import METRICS
from lix.runs.folder import RunFolder
from lix.runs.history import Row, read_history
from lix.runs.recipe import Recipe

PACKED = "runs.jsonl.gz"
AMOUNTS = ("seconds", "steps_per_epoch", "peak_memory_mb", "parameters")
PROVENANCE = ("commit", "hardware")
ROUNDING = 1e-6
NOT_PACKED = ("labels_", "teacher_labelled_", "teacher_unlabelled_")
"""How quantities begin that stay in the run folder: shares of each class with an unlabelled drive,
which no table or figure shows and which would be most of the file."""
MAX_LINE = 2**25
"""Characters of the longest line of a packed file; that of a run of 500 epochs has some 10⁶."""


class DamagedError(ValueError):
    """A run whose files cannot be read or hold impossible values."""


UNREADABLE = (OSError, EOFError, zlib.error, UnicodeDecodeError, DamagedError)
"""What reading a packed file may raise."""


@dataclass(frozen=True)
class Record:
    """A finished run."""

    folder: Path
    """Where its weights are, if they are kept."""
    recipe: Recipe
    result: dict[str, Any]
    history: list[Row]
    across: Mapping[str, dict[str, Any]]
    """Scores on other data by the name of their file, without `cross-` and `.json`."""

    @property
    def method(self) -> str:
        """`teacher`, `none` for the plain student, or the distillation method."""
        if self.recipe.role == "teacher":
            return "teacher"
        return self.recipe.distill.method if self.recipe.distill else "none"

    def curve(self, quantity: str) -> list[tuple[int, float]]:
        """(epoch, value) of one quantity of the history."""
        return [(epoch, value) for epoch, name, value in self.history if name == quantity]


def read_folder(folder: Path) -> Record:
    """Read a run folder.

    Raises:
        FileNotFoundError: the run is not finished.
        DamagedError: a file is damaged or holds impossible values; one sentence that names it.
    """
    files = RunFolder(folder)
    if not files.finished:
        raise FileNotFoundError(f"{folder} holds no finished run; finish it with --resume.")
    try:
        recipe, history = Recipe.load(files.recipe), read_history(files.history)
        result = _json(files.result)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, DamagedError) else f"{error!r}"
        raise DamagedError(f"{folder} cannot be read: {reason}") from None
    return _checked(Record(folder, recipe, result, history, read_across(folder)))


def read_across(folder: Path) -> dict[str, dict[str, Any]]:
    """Scores on other data that lie in a run folder.

    Raises:
        DamagedError: a file is damaged or holds impossible values.
    """
    scores_by_data = {}
    for data, path in RunFolder(folder).across.items():
        scores = _json(path)
        _check_metrics(scores, str(path))
        scores_by_data[data] = scores
    return scores_by_data


def _json(path: Path) -> dict[str, Any]:
    try:
        entries = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedError(f"{path} is not JSON ({error})") from None
    if not isinstance(entries, dict):
        raise DamagedError(f"{path} holds no entries")
    return entries


def _checked(record: Record) -> Record:
    """The same record, if tables can be made of it."""
    result = record.result
    lost = [name for name in ("iou", *AMOUNTS, *PROVENANCE) if name not in result]
    if lost:
        raise DamagedError(f"the result lacks {', '.join(lost)}")
    for name in AMOUNTS:
        _check_between(result[name], 0, math.inf, f"{name} of the result")
    if not isinstance(result["iou"], dict) or not result["steps_per_epoch"]:
        raise DamagedError("the result has no IoU by class, or no steps")
    _check_metrics(result, "the result")
    for name, share in result["iou"].items():
        if share is not None:
            _check_between(share, 0, 1, f"the IoU of {name}")
    for name, scores in record.across.items():
        _check_metrics(scores, f"the scores on {name}")
    for quantity, highest in {**{f"val_{m}": 1.0 for m in METRICS}, "seconds": math.inf}.items():
        curve = record.curve(quantity)
        if not curve:
            raise DamagedError(f"the history has no {quantity}")
        for epoch, value in curve:
            _check_between(value, 0, highest, f"{quantity} of epoch {epoch + 1}")
    return record


def _check_metrics(scores: Mapping[str, Any], where: str) -> None:
    for metric in METRICS:
        _check_between(scores.get(metric), 0, 1, f"{metric} of {where}")


def _check_between(value: object, lowest: float, highest: float, what: str) -> None:
    if (
        not isinstance(value, int | float)
        or not math.isfinite(value)
        or not lowest - ROUNDING <= value <= highest + ROUNDING
    ):
        raise DamagedError(f"{what} is {value!r}, which is impossible")


def pack_records(records: Mapping[str, Record], path: Path) -> int:
    """Write records by name into one file, the same bytes for the same records.

    What the file holds of other runs stays, as it is.

    Returns:
        How many runs stayed so.

    Raises:
        DamagedError: there is such a file and it cannot be read; it is left alone.
    """
    lines = {name: f"{_line(name, record)}\n" for name, record in records.items()}
    others = {name: line for name, line in _kept(path) if name not in records}
    text = "".join(line for _, line in sorted((lines | others).items()))
    with (
        atomic_write(path) as part,
        part.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=raw, mtime=0) as file,
    ):
        file.write(text.encode())
    return len(others)


def _kept(path: Path) -> list[tuple[str, str]]:
    try:
        return list(_lines(path)) if path.exists() else []
    except UNREADABLE as error:
        message = f"{path} cannot be read ({error}); move it away to write a new one."
        raise DamagedError(message) from None


def _line(name: str, record: Record) -> str:
    history = [row for row in record.history if not row[1].startswith(NOT_PACKED)]
    columns = _columns(history)
    doubles = [quantity for quantity, values in columns.items() if not _fits_single(values)]
    entries = {
        "run": name,  # first, so that a reader can pass over what it does not need
        "recipe": record.recipe.model_dump(mode="json"),
        "result": record.result,
        "across": record.across,
        "doubles": doubles,
        "order": _exceptions(history, list(columns)),
        "history": {
            quantity: values if quantity in doubles else list(map(_shortened, values))
            for quantity, values in columns.items()
        },
    }
    return json.dumps(entries, separators=(",", ":"))


def _columns(history: Iterable[Row]) -> dict[str, list[float | None]]:
    """Quantity → value by epoch; quantities in the order in which epochs have them."""
    order: list[str] = []
    values: dict[str, dict[int, float]] = {}
    place, current = 0, -1
    for epoch, quantity, value in history:
        if epoch != current:
            place, current = 0, epoch
        if quantity not in values:
            order.insert(place, quantity)
        place = order.index(quantity) + 1
        values.setdefault(quantity, {})[epoch] = value
    return {q: [values[q].get(e) for e in range(max(values[q]) + 1)] for q in order}


def _exceptions(history: Iterable[Row], order: Sequence[str]) -> dict[str, list[str]]:
    """Epoch → its quantities, where they are in another order: training was resumed there."""
    by_epoch: dict[int, list[str]] = {}
    for epoch, quantity, _ in history:
        by_epoch.setdefault(epoch, []).append(quantity)
    return {
        str(epoch): names
        for epoch, names in by_epoch.items()
        if names != sorted(names, key=order.index)
    }


def _fits_single(values: Iterable[float | None]) -> bool:
    return all(v is None or math.isnan(v) or float(np.float32(v)) == v for v in values)


def _shortened(value: float | None) -> float | None:
    return value if value is None else float(str(np.float32(value)))


def _history(entries: Mapping[str, Any]) -> list[Row]:
    """The rows that `_columns` was made of, to the last bit."""
    doubles, columns = set(entries["doubles"]), entries["history"]
    order = {
        int(epoch): {quantity: place for place, quantity in enumerate(names)}
        for epoch, names in entries["order"].items()
    }
    usual = {quantity: place for place, quantity in enumerate(columns)}
    rows = [
        (epoch, order.get(epoch, usual)[quantity], quantity, value)
        for quantity, values in columns.items()
        for epoch, value in enumerate(values)
        if value is not None
    ]
    return [
        (epoch, quantity, float(value if quantity in doubles else np.float32(value)))
        for epoch, _, quantity, value in sorted(rows)
    ]


def read_packed(
    output: Path, study: str, names: Container[str]
) -> tuple[dict[str, Record], dict[str, str]]:
    """Read the packed records of some runs.

    Args:
        output: folder of all runs, whose studies may have packed some.
        study: name of the study whose own file counts first.
        names: the runs.

    Returns:
        Records by name, and sentences about what is damaged by run or file.
    """
    records: dict[str, Record] = {}
    damaged: dict[str, str] = {}
    own = output / study / PACKED
    for path in sorted(output.glob(f"*/{PACKED}"), key=lambda path: (path != own, path)):
        try:
            for name, line in _lines(path):
                if name in names and name not in records:
                    try:
                        records[name] = _unpacked(line, output / "runs" / name)
                    except DamagedError as error:
                        damaged[name] = f"{error} (in {path})"
        except UNREADABLE as error:  # noqa: PERF203
            damaged[str(path)] = f"the file ends or breaks too early ({error})"
    return records, {name: why for name, why in damaged.items() if name not in records}


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Name of a run and its line; the name is not parsed with it, which takes long."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        while line := file.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise DamagedError(f"a line is longer than {MAX_LINE} characters")
            yield line.partition('","')[0].removeprefix('{"run":"'), line


def _unpacked(line: str, folder: Path) -> Record:
    try:
        entries = parse_json(line)
        recipe = Recipe.model_validate(entries["recipe"])
        history = _history(entries)
        return _checked(Record(folder, recipe, entries["result"], history, entries["across"]))
    except DamagedError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"the packed line cannot be read: {error!r}") from None
