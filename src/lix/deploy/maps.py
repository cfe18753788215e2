"""Label and confidence maps of a picture: the network scores it, another thread may finish them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lix.deploy.regions import Region, strips
from lix.deploy.student import Segmenter


class Maps(NamedTuple):
    """What is made of the logits of a picture, each (H, W)."""

    labels: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None = None
    """Softmax probability of the label * 255."""


def score(
    segmenter: Segmenter, batch: Tensor, shape: tuple[int, int], confidence: bool = False
) -> Tensor | Maps:
    """The logits of a prepared picture of (H, W); of one in tiles the maps, as logits are large."""
    if segmenter.tile_of(shape) is None:
        return segmenter.score(batch, shape)
    return _maps(segmenter.tiles(batch), shape, confidence)


def finish(scored: Tensor | Maps, shape: tuple[int, int], confidence: bool = False) -> Maps:
    """The maps of what `score` has returned."""
    return scored if isinstance(scored, Maps) else _maps(strips(scored, *shape), shape, confidence)


@torch.inference_mode()
def _maps(regions: Iterator[Region], shape: tuple[int, int], confidence: bool) -> Maps:
    maps = Maps(np.empty(shape, np.uint8), np.empty(shape, np.uint8) if confidence else None)
    for rows, columns, logits in regions:
        maps.labels[rows, columns] = labels_of(logits)
        if maps.confidence is not None:
            maps.confidence[rows, columns] = _confidence(logits)
    return maps


def labels_of(logits: Tensor) -> NDArray[np.uint8]:
    """(K, H, W) logits → (H, W) train ids."""
    # On the CPU, `max` is five times as fast as `argmax`.
    labels: NDArray[np.uint8] = logits.max(dim=0).indices.byte().cpu().numpy()
    return labels


def _confidence(logits: Tensor) -> NDArray[np.uint8]:
    """(K, H, W) logits → (H, W) softmax probability of the label * 255."""
    probability = logits.softmax(dim=0).amax(dim=0)
    confidence: NDArray[np.uint8] = (probability * 255).round().byte().cpu().numpy()
    return confidence
