"""The images, or pairs of images, that depth is made from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, cast

from lix.core.registry import entries
from lix.data.dataset import SegDataset
from lix.data.patterns import find_files, insert, regular, wildcards


class Pair(NamedTuple):
    """An image and, for stereo, its right image, whose file may be missing."""

    left: Path
    right: Path | None


class Patterns(NamedTuple):
    """Glob patterns relative to a data set's folder."""

    left: str
    right: str | None


def choose_patterns(
    root: Path, left: str | None = None, right: str | None = None, *, stereo: bool
) -> Patterns:
    """The user's patterns, or those of the data set that the folder holds.

    Raises:
        ValueError: no data set is recognised, or the patterns do not fit the engine.
    """
    if right is not None and not stereo:
        raise ValueError("This engine takes single images; leave out --right.")
    if left is None:
        recognised = _known_patterns(root)
        if recognised is None:
            raise ValueError(
                f"{root} is not a data set whose images lix knows; name them with --left"
                f"{' and --right' if stereo else ''}, as in --left 'images/left/*.jpg'."
            )
        left, right = recognised.left, right or recognised.right
    if not stereo:
        return Patterns(left, None)
    if right is None:
        raise ValueError(
            "A stereo engine needs right images; name them with --right, as in --right "
            "'images/right/*.jpg', or choose another engine."
        )
    if wildcards(left) != wildcards(right):
        raise ValueError(
            f"--left {left} and --right {right} differ in their wildcards; a pair is two files for "
            "which the wildcards match the same text."
        )
    return Patterns(left, right)


def find_pairs(root: Path, patterns: Patterns, output: Path) -> list[Pair]:
    """The images that match, sorted; folders of X and hidden files are left out.

    Raises:
        ValueError: no image matches, or a pattern that is not a path below the root.
    """
    expression = regular(patterns.left)
    left_out = {output, *(path.parent for path in find_files(root, "*/x.yaml"))}
    pairs = []
    try:
        matching = find_files(root, patterns.left, without=left_out)
    except ValueError:
        raise ValueError(
            f"--left {patterns.left!r} is not a pattern; write one relative to {root}, as in "
            "'images/*.jpg'."
        ) from None
    for path in matching:
        match = expression.fullmatch(path.relative_to(root).as_posix())
        right = patterns.right and match and root / insert(patterns.right, match.groups())
        pairs.append(Pair(path, right or None))
    if not pairs:
        raise ValueError(f"No image matches {root / patterns.left}; correct the root or --left.")
    return pairs


def _known_patterns(root: Path) -> Patterns | None:
    for entry in entries("datasets").values():
        dataset = cast("type[SegDataset]", entry.load())
        if dataset.left_files is not None and dataset.recognises(root):
            return Patterns(dataset.left_files, dataset.right_files)
    return None
