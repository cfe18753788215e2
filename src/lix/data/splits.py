"""Splits that need no random numbers: a frame's place follows from the hash of its name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal

from lix.core.errors import DataError, unknown
from lix.data.readers import read_text

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")


def hashed(names: Sequence[str], salt: str = "") -> list[str]:
    """The names in the order of their SHA-256: the same on every machine, for any order given.

    >>> hashed(["a", "b", "c"])
    ['c', 'b', 'a']
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{salt}{name}".encode()).hexdigest())


def sequence(name: str) -> str:
    """Name of a frame's drive: all before its trailing number, or its folder.

    >>> sequence("0001TP_006690"), sequence("day/000123"), sequence("aachen_000000_000019")
    ('0001TP', 'day', 'aachen_000000')
    """
    return re.sub(r"(^|[^0-9a-zA-Z]*)\d+$", "", name)


def grouping(
    names: Sequence[str], sequence: Callable[[str], str], instant: Callable[[str], str]
) -> Callable[[str], str]:
    """What to keep together in a split: sequences, or, where there is only one, instants.

    >>> key = grouping(["left/1", "right/1", "left/2"], lambda _: "", lambda name: name[-1])
    >>> key("left/1"), key("right/1")
    ('1', '1')
    """
    instants = len(set(map(instant, names)))
    is_one = len(set(map(sequence, names))) == 1
    return instant if is_one and 1 < instants < len(names) else sequence


def split_names(
    names: Sequence[str],
    val_share: float,
    *,
    sequence: Callable[[str], str] = sequence,
    salt: str = "",
) -> tuple[list[str], list[str]]:
    """Training and validation names; those of one sequence stay together.

    Args:
        names: of frames.
        val_share: share of validation, in (0, 1), which whole sequences seldom meet exactly; at
            least one goes to either side.
        sequence: name → name of its drive, or another key (`grouping`); ignored where it is the
            same for all.
        salt: another one gives another split.

    Raises:
        ValueError: a share out of range, or fewer than two names.

    >>> split_names(["a_1", "a_2", "b_1", "b_2"], 0.5)
    (['a_1', 'a_2'], ['b_1', 'b_2'])
    """
    if not 0 < val_share < 1:
        raise ValueError(f"val_share is {val_share}; give a share between 0 and 1.")
    names = sorted(set(names))
    if len(names) < 2:
        raise ValueError("A split needs at least two frames; add images, or write lists.")
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(sequence(name), []).append(name)
    if len(groups) == 1:
        groups = {name: [name] for name in names}
    order, val = hashed(list(groups), salt), list[str]()
    for group in order:
        halfway = len(val) + len(groups[group]) / 2
        if halfway <= val_share * len(names) and len(val) + len(groups[group]) < len(names):
            val += groups[group]
    val = val or groups[min(order, key=lambda group: len(groups[group]))]
    return sorted(set(names) - set(val)), sorted(val)


def read_list(path: Path, frames: Collection[str]) -> list[str]:
    """Names of a list, one a line.

    Raises:
        DataError: the file is missing or empty, or a name is not a frame.
    """
    lines = (line.strip() for line in read_text(path).splitlines())
    names, present = [line for line in lines if line], set(frames)
    wrong = [name for name in names if name not in present]
    if wrong or not names:
        fault = f"lists {wrong[0]!r}, which is not a frame here" if wrong else "lists no frame"
        message = f"{path} {fault}; write names as `lix data split` does."
        raise DataError(message, path, kind="list", values=wrong)
    return names


def keep_only(ids: Sequence[str], place: int, what: str, names: Sequence[str]) -> list[str]:
    """Ids whose part at a place between slashes is among the names; all ids if no name is given.

    Raises:
        ValueError: a name that no id has; the message lists the choices and the nearest.

    >>> keep_only(["aachen/1", "zurich/1"], 0, "city", ["zurich"])
    ['zurich/1']
    """
    present = sorted({name.split("/")[place] for name in ids})
    for name in names:
        if name not in present:
            raise ValueError(unknown(what, name, present))
    return [name for name in ids if not names or name.split("/")[place] in names]
