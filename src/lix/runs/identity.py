"""Which run a folder holds and which data it was trained on, so that a resume goes on with both."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lix.core.files import write_text
from lix.core.json_text import parse_json
from lix.data.archives import stamp
from lix.data.dataset import SegDataset
from lix.runs.folder import RunFolder

RUN_ID = "lix_run"
"""Where a checkpoint holds the id of its run."""


class Part(NamedTuple):
    """Data of a run: a split, or frames without labels."""

    dataset: SegDataset
    with_x: bool


def run_id(run: RunFolder) -> str | None:
    """The id of a run; None where its folder has none, as those of older runs."""
    return _read(run).get("id")


def identify(run: RunFolder, parts: Mapping[str, Part], checkpoint_id: str | None = None) -> None:
    """Write the id and the fingerprint of the data of a new run, or compare with those it has.

    Args:
        run: the run.
        parts: all its data by name.
        checkpoint_id: id in its checkpoint, which a folder without one takes over.

    Raises:
        ValueError: the data differ; one sentence that says how.
    """
    now = {name: _fingerprint(part) for name, part in parts.items()}
    stored = _read(run)
    before = stored.get("data", now)
    differences = [text for name in now | before for text in _compare(name, before, now)]
    if differences:
        raise ValueError(
            f"{run} was trained on other data: {'; '.join(differences)}. Restore them, or choose "
            "another --output."
        )
    if not stored:
        entries = {"id": checkpoint_id or uuid.uuid4().hex, "data": now}
        write_text(run.identity, json.dumps(entries, indent=1))


def _read(run: RunFolder) -> dict[str, Any]:
    if not run.identity.is_file():
        return {}
    try:
        entries = parse_json(run.identity.read_text(encoding="utf-8"))
        if isinstance(entries["id"], str) and isinstance(entries["data"], dict):
            return dict(entries)
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"{run.identity} is damaged; restore it, or delete it to resume without it.")


def _fingerprint(part: Part) -> dict[str, Any]:
    """What must not change, small: a hash of the ids and one of the sizes of all files."""
    sizes = "\n".join(f"{path.name} {_size(path)}" for path in _files(part))
    return {
        "classes": list(part.dataset.classes),
        "frames": len(part.dataset),
        "ids": _hash("\n".join(part.dataset.ids)),
        "files": _hash(sizes),
    }


def _files(part: Part) -> Iterator[Path]:
    dataset = part.dataset
    for frame in dataset.ids:
        yield dataset.image_path(frame)
        if dataset.labelled:
            yield dataset.label_path(frame)
        if part.with_x:
            yield from (source.path(frame) for source in dataset.x_sources)


def _size(path: Path) -> int:
    try:
        return stamp(path)[0]
    except OSError:
        return -1


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _compare(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What differs in one part: only the most telling difference."""
    if name not in before or name not in now:
        yield f"{name} was {'added' if name in now else 'taken out'}"
        return
    old, new = before[name], now[name]
    if old["classes"] != new["classes"]:
        shown = (", ".join(classes) for classes in (old["classes"], new["classes"]))
        yield "{} had the classes {} and has {}".format(name, *shown)
    elif old["frames"] != new["frames"]:
        yield f"{name} had {old['frames']} frames and has {new['frames']}"
    elif old["ids"] != new["ids"]:
        yield f"{name} has other frames or another order"
    elif old["files"] != new["files"]:
        yield f"files of {name} have other sizes"
