"""The lists that `lix data split` writes."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from lix.core.files import write_text
from lix.core.registry import find
from lix.data import build_dataset
from lix.data.dataset import SegDataset
from lix.data.description import Description, read_yaml
from lix.data.patterns import matches
from lix.data.readers import read_text
from lix.data.splits import TRAIN_AND_VAL, grouping, require_listable, sequence


def frames_of(
    name: str, path: Path, options: Mapping[str, Any]
) -> tuple[list[str], Callable[[str], str]]:
    """The names of all labelled frames of a data set, and a key of those to keep together.

    That is the drive, or, if there is only one, the instant that several frames show.

    Args:
        name: name of the loader.
        path: the data set's folder, or the YAML of a `folder`, whose lists need not exist yet.
        options: options of the loader.

    Raises:
        ValueError: the data set takes no lists, or what it raises when it is opened.
    """
    if name == "folder":
        return _folder_names(path, options), sequence
    loader = cast("type[SegDataset]", find("datasets", name).load())
    if "lists" not in inspect.signature(loader).parameters:
        raise ValueError(
            f"{name} has splits of its own and takes no lists; to split it otherwise describe it "
            "in a YAML (docs/your-data.md)."
        )
    settings = {**loader.every_frame, **options}
    datasets = [build_dataset(name, path, split=part, **settings) for part in TRAIN_AND_VAL]
    names = sorted({name for dataset in datasets for name in dataset.ids})
    return names, grouping(names, datasets[0].sequence, datasets[0].instant)


def _folder_names(path: Path, options: Mapping[str, Any]) -> list[str]:
    """What the wildcards of a YAML stand for in the images that have a label.

    Frames of its test split stay where they are.
    """
    file, description = _description(path)
    train, val = (
        part.model_copy(update={"list": None}) for part in (description.train, description.val)
    )
    if train != val:
        raise ValueError(
            f"{file} has patterns of their own for train and val, so no list can move a frame "
            "from one to the other; write patterns that fit all frames once, under `files`."
        )
    base = Path(options.get("images") or file.parent / description.root.expanduser())
    images, labels = (set(matches(base, pattern)) for pattern in (train.image, train.label))
    kept = (
        set(build_dataset("folder", path, split="test", **options).ids)
        if description.test
        else set()
    )
    return sorted((images & labels) - kept)


def _description(path: Path) -> tuple[Path, Description]:
    file = path / "lix.yaml" if path.is_dir() else path
    return file, read_yaml(file)


def write_lists(
    folder: Path, train: Sequence[str], val: Sequence[str], *, force: bool = False
) -> None:
    """Write `train.txt` and `val.txt`, a name a line.

    Raises:
        ValueError: one is there with other names, and not `force`, or a name is not fit for a
            list; nothing is written.
    """
    require_listable([*train, *val])
    texts = {
        folder / f"{split}.txt": "".join(f"{name}\n" for name in names)
        for split, names in zip(TRAIN_AND_VAL, (train, val), strict=True)
    }
    for path, text in texts.items():
        if not force and path.exists() and read_text(path) != text:
            raise ValueError(
                f"{path} holds another list; name another folder, or replace it with --force."
            )
    for path, text in texts.items():
        write_text(path, text)


def how_to_use(name: str, path: Path, folder: Path) -> str:
    """What to write so that the lists in `folder` are read."""
    if name != "folder":
        return f"train with --data.options.lists {folder}"
    file, description = _description(path)
    lists = Path(os.path.relpath(folder, file.parent))
    targets = {split: lists / f"{split}.txt" for split in TRAIN_AND_VAL}
    named = {split: description.splits[split].list for split in TRAIN_AND_VAL}
    if all(list_ and Path(os.path.normpath(list_)) == targets[s] for s, list_ in named.items()):
        return f"{file} names them already"
    entries = " and ".join(f"`{split}: {path.as_posix()}`" for split, path in targets.items())
    return f"write {entries} next to `files` in {file}"
