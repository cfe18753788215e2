"""Images and what was measured at nearly the same time, from a stream, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from lix.tools.extract.bag import Message

PATIENCE = 1_000_000_000
"""Nanoseconds that an image waits for its partner."""


def pair(
    messages: Iterable[Message], image: str, x: str, *, max_gap: int, every: int = 0
) -> Iterator[tuple[Message, Message | None]]:
    """Each image with the message of X that is nearest in time.

    Args:
        messages: of both topics, in the order of their recording.
        image: topic of the images.
        x: topic of X.
        max_gap: largest time between the two, in nanoseconds.
        every: smallest time between two images that are paired, in nanoseconds.

    Yields:
        The image, and its partner or None.
    """
    queues = _Queues(max_gap, every)
    for message in messages:
        if message.topic == x:
            queues.add_x(message)
        elif message.topic == image:
            queues.add_image(message)
        yield from queues.due()
        queues.forget()
    yield from queues.due(at_end=True)


class _Queues:
    """Images that wait for their partner, and X that may be one."""

    def __init__(self, max_gap: int, every: int) -> None:
        self._max_gap, self._every = max_gap, every
        self._images: deque[Message] = deque()
        self._x: deque[Message] = deque()
        self._latest_image = self._latest_x = self._next = -1

    def add_x(self, message: Message) -> None:
        self._latest_x = max(self._latest_x, message.stamp)
        self._x.append(message)

    def add_image(self, message: Message) -> None:
        self._latest_image = max(self._latest_image, message.stamp)
        if message.stamp >= self._next:
            self._images.append(message)

    def due(self, *, at_end: bool = False) -> Iterator[tuple[Message, Message | None]]:
        """The images for which no nearer X can come."""
        while self._images:
            stamp = self._images[0].stamp
            last = stamp + self._max_gap
            if not (at_end or self._latest_x >= last or self._latest_image >= last + PATIENCE):
                return
            message = self._images.popleft()
            if stamp < self._next:
                continue
            best = min(self._x, key=lambda other: abs(other.stamp - stamp), default=None)
            if best is None or abs(best.stamp - stamp) > self._max_gap:
                yield message, None
                continue
            self._next = stamp + self._every
            yield message, best

    def forget(self) -> None:
        """Let X go that is too old for all images that wait or may still come."""
        oldest = max(self._latest_image, self._latest_x - PATIENCE)
        if self._images:
            oldest = self._images[0].stamp
        while self._x and self._x[0].stamp < oldest - self._max_gap:
            self._x.popleft()
