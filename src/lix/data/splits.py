"""Splits that need no random numbers: a frame's place follows from the hash of its name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Container, Mapping, Sequence, Set
from pathlib import Path
from typing import Literal, get_args

from lix.core.errors import DataError, unknown
from lix.data.options import as_tuple
from lix.data.readers import read_text

Split = Literal["train", "val", "test"]
COLUMNS = re.compile(r"[\t,;]|\s")
"""What separates the columns of lists of other tools."""
SPLITS: tuple[Split, ...] = get_args(Split)
TRAIN_AND_VAL: tuple[Split, ...] = SPLITS[:2]
"""The splits that a run needs; it never opens the third."""
NO_SPLIT = "no split"
"""Kind of the error about data without a test split, which is no fault of theirs."""


def no_test_split(where: str, fix: str) -> DataError:
    """The error about data without a test split."""
    return DataError(f"{where} has no test split; {fix}.", kind=NO_SPLIT)


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


def read_list(
    path: Path, frames: Collection[str], find: Callable[[str], str | None] | None = None
) -> list[str]:
    """Frames of a list, one a line, as `lix data split` or another tool writes them.

    A line may have columns, of which the first is the frame; lines that begin with `#` are
    comments.

    Args:
        path: the list.
        frames: the frames that there are.
        find: text → frame, for texts that are not the name of a frame.

    Raises:
        DataError: the file is missing or empty, a name is not a frame, or stands there twice.
    """
    present = frames if isinstance(frames, Set | Mapping) else set(frames)
    places: dict[str, int] = {}
    wrong: list[str] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        text = line.strip()
        frame = _listed_frame(text, present, find or (lambda _: None)) if text else None
        if frame is not None and frame in places:
            raise _listed_twice(path, frame, places[frame], number)
        if frame is not None:
            places[frame] = number
        elif text and not text.startswith("#"):
            wrong.append(text)
    if wrong or not places:
        fault = f"lists {wrong[0]!r}, which is not a frame here" if wrong else "lists no frame"
        message = f"{path} {fault}; write names as `lix data split` does."
        raise DataError(message, path, kind="list", values=wrong)
    return list(places)


def require_listable(names: Sequence[str]) -> None:
    """Raise a ValueError if `read_list` would not give a name back, such as one of two lines."""
    for name in names:
        is_utf8 = name == name.encode(errors="ignore").decode()
        if name.splitlines() != [name] or name.strip().strip("\"' ") != name or not is_utf8:
            raise ValueError(
                f"The frame {name!r} cannot be a line of a list; rename its files, without line "
                "breaks, and without spaces or quotes at the ends."
            )


def require_once(path: Path, names: Sequence[str]) -> None:
    """Raise a DataError if a list, a name a line, has a name twice."""
    places: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if places.setdefault(name, number) != number:
            raise _listed_twice(path, name, places[name], number)


def _listed_twice(path: Path, name: str, first: int, second: int) -> DataError:
    message = f"{path} lists {name!r} twice, in lines {first} and {second}; remove one."
    return DataError(message, path, kind="list twice")


def _listed_frame(
    text: str, frames: Container[str], find: Callable[[str], str | None]
) -> str | None:
    """The frame of a line: all of it, or its first column."""
    for part in (text, COLUMNS.split(text, maxsplit=1)[0]):
        bare = part.strip("\"' ")
        frame = bare if bare in frames else find(bare)
        if frame is not None:
            return frame
    return None


def keep_only(ids: Collection[str], kept: Mapping[str, str | Sequence[str]]) -> list[str]:
    """Ids whose parts between slashes are among the names to keep.

    Args:
        ids: frame ids.
        kept: what each part is called, from the first on → names to keep; none keeps all.

    Raises:
        ValueError: a name that no id has; the message lists the choices and the nearest.

    >>> keep_only(["aachen/1", "zurich/1"], {"city": "zurich"})
    ['zurich/1']
    """
    found = list(ids)
    for place, (what, chosen) in enumerate(kept.items()):
        names = as_tuple(chosen)
        present = sorted({frame.split("/")[place] for frame in found})
        for name in names:
            if name not in present:
                raise ValueError(unknown(f"{what} of these frames", name, present))
        found = [frame for frame in found if not names or frame.split("/")[place] in names]
    return found
