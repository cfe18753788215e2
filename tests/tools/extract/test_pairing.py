"""What belongs together by time, in which order ever it comes, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from lix.tools.extract.bag import Message
from lix.tools.extract.listing import nearest
from lix.tools.extract.pairing import PATIENCE, _Queues, pair

MS = 1_000_000


def message(topic: str, milliseconds: float) -> Message:
    return Message(topic, round(milliseconds * MS), "type", b"")


def paired(
    messages: Iterable[tuple[str, float]], **options: float
) -> list[tuple[float, float | None]]:
    stream = (message(*each) for each in messages)
    gaps = {name: round(value * MS) for name, value in ({"max_gap": 50} | options).items()}
    return [
        (image.stamp / MS, None if x is None else x.stamp / MS)
        for image, x in pair(stream, "image", "x", **gaps)
    ]


def test_the_nearest_one_before_or_after() -> None:
    stream = [("x", 0), ("image", 40), ("x", 100), ("image", 130), ("x", 140), ("x", 200)]
    assert paired(stream) == [(40, 0), (130, 140)]
    assert paired(stream, max_gap=5) == [(40, None), (130, None)]


@pytest.mark.parametrize("late", ["image", "x"])
def test_one_of_them_may_be_recorded_late(late: str) -> None:
    both = [(topic, stamp) for stamp in range(0, 1000, 100) for topic in ("image", "x")]
    stream = sorted(both, key=lambda each: each[1] + (450 if each[0] == late else 0))
    assert paired(stream) == [(stamp, stamp) for stamp in range(0, 1000, 100)]


def test_every_counts_pairs_and_not_images() -> None:
    stream = [(topic, stamp) for stamp in range(0, 1000, 100) for topic in ("image", "x")]
    stream.remove(("x", 300))
    stamps = [stamp for stamp, x in paired(stream, every=300) if x is not None]
    assert stamps == [0, 400, 700]


def test_images_without_x() -> None:
    assert paired([("image", 0), ("image", 5000)]) == [(0, None), (5000, None)]
    assert paired([("x", 0)]) == []


def test_queues_stay_short() -> None:
    queues = _Queues(50 * MS, 0)
    longest = 0
    for stamp in range(0, 60_000, 50):
        queues.add_x(message("x", stamp))
        if stamp < 2000 or stamp > 50_000:
            queues.add_image(message("image", stamp))
        list(queues.due())
        queues.forget()
        longest = max(longest, len(queues._images) + len(queues._x))
    assert longest <= 2 * PATIENCE / MS / 50


def test_gaps() -> None:
    assert nearest([5], [7]).tolist() == [2]
    assert nearest([0, 10, 99], [3, 9, 11, 50]).tolist() == [3, 1, 49]
