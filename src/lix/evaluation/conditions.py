"""Scores of the frames that were taken under one condition, such as in fog: `lix eval --by`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import torch
from rich.console import Console
from torch import Tensor

from lix.core.console import print_table
from lix.core.errors import unknown
from lix.data.dataset import SegDataset
from lix.evaluation.metrics import Scores, percent, scores

NOT_KNOWN = "not known"
"""Value of frames that do not say the condition which others say."""
Groups = Mapping[tuple[str, ...], Sequence[int]]
"""Values of the conditions → places of the frames."""


def group(dataset: SegDataset, by: Sequence[str]) -> Groups:
    """The frames by the values of conditions; all are one group where none is named.

    Args:
        dataset: says the conditions of its frames.
        by: names of conditions, such as `weather`.

    Raises:
        ValueError: no frame has such a condition; the message names those that there are.
    """
    if not by:
        return {(): range(len(dataset))}
    conditions = [dataset.conditions(frame) for frame in dataset.ids]
    present = list(dict.fromkeys(name for one in conditions for name in one))
    for name in by:
        if not present:
            raise ValueError(
                f"{dataset.root} does not say under which conditions its frames were taken, so "
                f"there are no scores by {name}; leave --by out."
            )
        if name not in present:
            raise ValueError(unknown("condition", name, present))
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, one in enumerate(conditions):
        groups.setdefault(tuple(one.get(name, NOT_KNOWN) for name in by), []).append(place)
    return groups


def scores_by(
    by: Sequence[str],
    groups: Groups,
    matrices: Mapping[tuple[str, ...], Tensor],
    left_out: Collection[int] = (),
) -> dict[str, dict[str, Scores]]:
    """Condition → value → scores; a value without a labelled pixel is left out.

    Args:
        by: names of conditions.
        groups: places of the frames by the values of the conditions.
        matrices: (K, K) confusion matrix of each group.
        left_out: train ids of the classes that are not scored.
    """
    found: dict[str, dict[str, Scores]] = {}
    for place, name in enumerate(by):
        found[name] = {}
        for value in sorted({values[place] for values in groups}):
            keys = [values for values in groups if values[place] == value]
            confusion = torch.stack([matrices[key] for key in keys]).sum(dim=0)
            with suppress(ValueError):  # no labelled pixel
                images = sum(len(groups[key]) for key in keys)
                found[name][value] = replace(scores(confusion, left_out), images=images)
    return found


def print_by(by: Mapping[str, Mapping[str, Scores]], classes: Sequence[str], to: Console) -> None:
    """Print, for each condition, the means by its values and the IoU of each class."""
    for name, parts in by.items():
        means = [
            {name: value, "images": str(part.images)}
            | {f"{metric} %": f"{100 * mean:.2f}" for metric, mean in part.means.items()}
            for value, part in parts.items()
        ]
        print_table(to, means, title=f"by {name}")
        ious = [
            {"class": label} | {value: percent(part.iou[k]) for value, part in parts.items()}
            for k, label in enumerate(classes)
        ]
        print_table(to, ious, title=f"IoU % by {name}")
