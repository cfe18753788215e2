"""What an exported file says of its student, checked; for every engine that reads such files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lix.core.errors import one_line
from lix.runs.checkpoint import NetworkSpec

FACTS = ("network", "classes", "palette", "size", "size_divisor")
"""Keys of the metadata that segmenting needs."""

MAX_DIVISOR = 4096


def description(
    stored: Mapping[str, str], ends: Sequence[Sequence[str]], shape: Sequence[object], path: Path
) -> tuple[NetworkSpec, int]:
    """The network of a file, and its size divisor.

    Args:
        stored: the metadata, each entry as JSON.
        ends: names of the inputs, and of the outputs.
        shape: lengths of the first output's dimensions; what is not an integer is free.
        path: the file that messages name.

    Raises:
        ValueError: lix has not written the file.
    """
    try:
        facts = {name: json.loads(stored[name]) for name in FACTS}
        divisor = _divisor(facts.pop("size_divisor"))
        spec = NetworkSpec.from_dict({"name": facts.pop("network"), **facts})
        _check_ends(ends)
        _check_shape(shape, len(spec.classes))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} has no metadata of lix on its classes, palette and size ({one_line(error)}); "
            f"write it with: lix export RUN {path.name}"
        ) from None
    return spec, divisor


def _divisor(stored: object) -> int:
    if type(stored) is not int or not 1 <= stored <= MAX_DIVISOR:
        raise ValueError(f"size_divisor is {stored!r}")
    return stored


def _check_ends(ends: Sequence[Sequence[str]]) -> None:
    if list(map(list, ends)) != [["image"], ["logits"]]:
        raise ValueError(f"it makes {', '.join(ends[1])} of {', '.join(ends[0])}")


def _check_shape(shape: Sequence[object], classes: int) -> None:
    if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != classes):
        raise ValueError(f"it names {classes} classes, but its logits are {shape}")
