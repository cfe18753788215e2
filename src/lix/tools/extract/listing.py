"""What a bag holds, and how well its topics pair: `lix data extract BAG --list`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from lix.core.console import plain
from lix.tools.extract.bag import X_KINDS, Bag, open_bag

NANO = 1e9


def show(path: Path, console: Console, max_gap: float) -> None:
    """Print the topics of a bag, their rates, and how many images have a partner.

    Args:
        path: the bag.
        console: where to.
        max_gap: largest time between an image and its partner in seconds.

    Raises:
        UserError: the bag is damaged.
    """
    with open_bag(path) as bag:
        console.print(plain(f"{path}: {bag.seconds:.1f} s"), soft_wrap=True)
        _print(console, ("topic", "kind", "type", "messages", "Hz", "frame"), topic_rows(bag))
        pairs = pair_rows(bag, max_gap)
        if pairs:
            _print(console, ("image", "x", f"paired within {max_gap:g} s", "median gap"), pairs)


def _print(console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")  # names are there to be copied
    for row in rows:
        table.add_row(*map(plain, row))
    console.print(table)


def topic_rows(bag: Bag) -> Iterator[tuple[str, ...]]:
    """Each topic: name, kind, type, number and rate of its messages, frame."""
    for topic in bag.topics.values():
        rate = "–"
        if topic.length > 1 and bag.seconds:
            rate = f"{(topic.length - 1) / bag.seconds:.1f}"
        kind = topic.type.rpartition("/")[2]
        yield topic.name, topic.kind, kind, f"{topic.length:,}", rate, topic.frame


def pair_rows(bag: Bag, max_gap: float) -> list[tuple[str, str, str, str]]:
    """Each topic of images with each of X: share of the images with a partner, and the gap."""
    images = [topic.name for topic in bag.topics.values() if topic.kind == "image"]
    others = [topic.name for topic in bag.topics.values() if topic.kind in X_KINDS]
    if not images or not others:
        return []
    times: dict[str, list[int]] = {name: [] for name in (*images, *others)}
    for message in bag.messages(times):
        times[message.topic].append(message.stamp)
    rows = []
    for image in images:
        for other in others:
            gaps = nearest(times[image], times[other])
            share = float((gaps <= max_gap * NANO).mean())
            median = f"{np.median(gaps) / 1e6:.1f} ms"
            rows.append((image, other, f"{100 * share:.0f} %", median))
    return rows


def nearest(times: Sequence[int], others: Sequence[int]) -> NDArray[np.int64]:
    """Distance of each time to the nearest of others.

    >>> nearest([10, 21], [0, 12, 20]).tolist()
    [2, 1]
    """
    own, sorted_others = np.array(times), np.sort(np.array(others))
    after = np.searchsorted(sorted_others, own).clip(1, max(1, len(sorted_others) - 1))
    sides = sorted_others[[(after - 1).clip(0), after.clip(max=len(sorted_others) - 1)]]
    distance: NDArray[np.int64] = np.abs(sides - own).min(axis=0)
    return distance
