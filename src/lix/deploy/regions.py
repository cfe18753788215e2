"""Pictures in parts: windows that the network sees one by one, and strips that it has scored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_VALUES = 1 << 25
"""Maximum number of logits at the picture's size at a time, 128 MB: 48 megapixels of 19 classes
would have 3.6 GB. Below it a picture is one strip."""


class Region(NamedTuple):
    """Logits of a part of a picture."""

    rows: slice
    columns: slice
    logits: Tensor
    """(K, h, w)."""


class Span(NamedTuple):
    """One axis of a window: what the network sees, and what of its output counts."""

    start: int
    end: int
    first: int
    last: int


def spans(length: int, tile: int, step: int) -> list[Span]:
    """Overlapping windows along an axis.

    What counts of a window is at least an eighth of it away from its ends, except at the ends of
    the axis, so that a network whose field is not wider gives what it would give in one piece.

    Args:
        length: of the axis, a multiple of `step`.
        tile: of a window; rounded up to a multiple of `step`.
        step: the windows begin at its multiples, as the strides of a network do.

    >>> spans(96, 64, 16)
    [Span(start=0, end=64, first=0, last=64), Span(start=32, end=96, first=64, last=96)]
    """
    tile = min(-(-tile // step) * step, length)
    margin = tile // 8 // step * step
    result: list[Span] = []
    first = 0
    while first < length:
        start = max(0, min(first - margin, length - tile))
        end = start + tile
        last = length if end == length else end - margin
        result.append(Span(start, end, first, last))
        first = last
    return result


def strips(logits: Tensor, height: int, width: int) -> Iterator[Region]:
    """(1, K, h, w) logits resized bilinearly to the picture's size, a few rows at a time."""
    classes, own_height = logits.shape[1:3]
    count = max(1, MAX_VALUES // (classes * width))
    if count >= height:
        same = tuple(logits.shape[-2:]) == (height, width)
        whole = logits if same else F.interpolate(logits, [height, width], mode="bilinear")
        yield Region(slice(0, height), slice(0, width), whole[0])
        return
    for first in range(0, height, count):
        rows = torch.arange(first, min(first + count, height), device=logits.device)
        place = ((rows + 0.5) * (own_height / height) - 0.5).clamp(min=0)
        above = place.long()
        below = (above + 1).clamp(max=own_height - 1)
        low, high = int(above[0]), int(below[-1]) + 1
        wide = F.interpolate(logits[:, :, low:high], [high - low, width], mode="bilinear")[0]
        weight = (place - above)[:, None].to(logits.dtype)
        strip = wide[:, above - low].lerp_(wide[:, below - low], weight)
        yield Region(slice(first, first + len(rows)), slice(0, width), strip)
