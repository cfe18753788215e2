"""Scores of a network on a data set with other classes, over the classes that both have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    of_network: tuple[tuple[int, ...], ...]
    """Train ids of the network that make up each common class."""
    of_data: tuple[tuple[int, ...], ...]
    """Train ids of the data set that make up each common class."""

    def left_out(self, of_data: Collection[int]) -> tuple[int, ...]:
        """The common classes that are made of such train ids of the data set alone."""
        groups = enumerate(self.of_data)
        return tuple(k for k, members in groups if set(members) <= set(of_data))


def comparable(name: str) -> str:
    """A class name in the form that is compared: without case, spaces and hyphens.

    >>> comparable("Traffic sign") == comparable("TrafficSign")
    True
    """
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def common_classes(
    of_network: Sequence[str],
    of_data: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Common:
    """Find the classes in common.

    Args:
        of_network: classes of the network.
        of_data: classes of the data set.
        groups: common class → names of either side; default: classes of the same name, whatever
            their case, spaces and hyphens.

    Raises:
        ValueError: fewer than two classes in common, or a name in two groups.

    >>> common_classes(["Road", "Car", "Van"], ["car", "road", "sky"]).names
    ('Road', 'Car')
    """
    groups = {name: (name,) for name in of_network} if groups is None else groups
    members = {name: {comparable(n) for n in inner} for name, inner in groups.items()}
    doubled = [
        n
        for names in members.values()
        for n in names
        if sum(n in other for other in members.values()) > 1
    ]
    if doubled:
        raise ValueError(f"The class {doubled[0]!r} is in two common classes; leave it in one.")
    common = [
        (name, *(_places(side, members[name]) for side in (of_network, of_data)))
        for name in members
    ]
    common = [
        (name, network_ids, data_ids)
        for name, network_ids, data_ids in common
        if network_ids and data_ids
    ]
    if len(common) < 2:
        raise ValueError(
            f"The network knows {', '.join(of_network)}, the data have {', '.join(of_data)}: fewer "
            "than two classes in common; say which belong together."
        )
    return Common(*map(tuple, zip(*common, strict=True)))


def _places(names: Sequence[str], members: set[str]) -> tuple[int, ...]:
    return tuple(i for i, name in enumerate(names) if comparable(name) in members)


def evaluate_common(
    network: SegNetwork, batches: Iterable[dict[str, Any]], common: Common
) -> Tensor:
    """Confusion matrix over the common classes, on the CPU.

    The network chooses only between the common classes, each with the sum of its members'
    probabilities; pixels with the label of another class do not count.
    """
    counter = confusion_matrix(len(common.names), sync_on_compute=False)
    lookup = torch.full((IGNORE_INDEX + 1,), IGNORE_INDEX)
    for place, members in enumerate(common.of_data):
        lookup[list(members)] = place
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for batch in batches:
            logits = network(batch["image"], batch["x"] if network.x_channels else None).logits
            grouped = torch.stack([logits[:, m].logsumexp(dim=1) for m in common.of_network], dim=1)
            counter.update(grouped.argmax(dim=1), lookup[batch["target"]])
    network.train(was_training)
    matrix: Tensor = counter.compute()
    return matrix
