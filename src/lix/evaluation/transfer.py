"""A network on a data set with other classes: scored on those that both have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lix.core.types import IGNORE_INDEX
from lix.evaluation.evaluate import confusion_matrix
from lix.networks.parts.base import SegNetwork


@dataclass(frozen=True)
class Common:
    """The classes that a network and a data set have in common."""

    names: tuple[str, ...]
    known: tuple[tuple[int, ...], ...]
    """Classes of the network that make up each common one."""
    labelled: tuple[tuple[int, ...], ...]
    """Those of the data set."""


def plain(name: str) -> str:
    """A class name as it is compared.

    >>> plain("Traffic sign") == plain("TrafficSign")
    True
    """
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def common_classes(
    known: Sequence[str], labelled: Sequence[str], groups: Mapping[str, Sequence[str]] | None = None
) -> Common:
    """Find the classes in common.

    Args:
        known: classes of the network.
        labelled: classes of the data set.
        groups: common class → names of either side; default: classes of the same name, whatever
            their case, spaces and hyphens.

    Raises:
        ValueError: fewer than two classes in common, or a name in two groups.

    >>> common_classes(["Road", "Car", "Van"], ["car", "road", "sky"]).names
    ('Road', 'Car')
    """
    groups = {name: (name,) for name in known} if groups is None else groups
    members = {name: {plain(n) for n in inner} for name, inner in groups.items()}
    doubled = [
        n
        for names in members.values()
        for n in names
        if sum(n in other for other in members.values()) > 1
    ]
    if doubled:
        raise ValueError(f"The class {doubled[0]!r} is in two common classes; leave it in one.")
    found = [
        (name, *(_places(side, members[name]) for side in (known, labelled))) for name in members
    ]
    found = [(name, ours, theirs) for name, ours, theirs in found if ours and theirs]
    if len(found) < 2:
        raise ValueError(
            f"The network knows {', '.join(known)}, the data have {', '.join(labelled)}: fewer "
            "than two classes in common; name which belong together."
        )
    return Common(*map(tuple, zip(*found, strict=True)))


def _places(names: Sequence[str], members: set[str]) -> tuple[int, ...]:
    return tuple(i for i, name in enumerate(names) if plain(name) in members)


def evaluate_common(
    network: SegNetwork, batches: Iterable[dict[str, Any]], common: Common
) -> Tensor:
    """Confusion matrix over the common classes, on the CPU.

    The network chooses between the common classes alone, each with the sum of its members'
    probabilities; pixels labelled with another class do not count.
    """
    counter = confusion_matrix(len(common.names), sync_on_compute=False)
    lookup = torch.full((IGNORE_INDEX + 1,), IGNORE_INDEX)
    for place, members in enumerate(common.labelled):
        lookup[list(members)] = place
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for batch in batches:
            logits = network(batch["image"], batch["x"] if network.x_channels else None).logits
            grouped = torch.stack([logits[:, m].logsumexp(dim=1) for m in common.known], dim=1)
            counter.update(grouped.argmax(dim=1), lookup[batch["target"]])
    network.train(was_training)
    matrix: Tensor = counter.compute()
    return matrix
