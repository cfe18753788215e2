"""DepthMix: frames overlaid with the nearer pixels of others (Hoyer et al., CVPR 2021)."""

from __future__ import annotations

from typing import Any

import torch

from lix.core.errors import DataError
from lix.data.dataset import SegDataset
from lix.data.encode import ENCODED
from lix.data.options import NORMALS


def depth_mix(batch: dict[str, Any], probability: float) -> dict[str, Any]:
    """A batch in which another frame's pixels stand wherever they are nearer to the camera.

    Args:
        batch: `image` (B, 3, H, W); `x` (B, C, H, W), whose first channel is larger where nearer
            and 0 where invalid; `target` and, with unlabelled frames, `valid`, (B, H, W).
        probability: that a frame is overlaid; with which one is drawn by torch's random numbers.
    """
    count, device = len(batch["image"]), batch["image"].device
    if count == 1:
        return batch
    other = torch.arange(count).roll(int(torch.randint(1, count, ())))
    chosen = (torch.rand(count) < probability).to(device).view(-1, 1, 1, 1)
    nearness = batch["x"][:, :1]
    nearer = chosen & (nearness[other] > nearness)
    mixed = {
        name: batch[name][other].where(
            nearer if batch[name].ndim == 4 else nearer[:, 0], batch[name]
        )
        for name in ("image", "x", "target", "valid")
        if name in batch
    }
    return batch | mixed


def require_nearness(dataset: SegDataset, encoding: str) -> None:
    """Check that the first channel of X says what is nearer.

    Raises:
        DataError: it does not.
    """
    dataset.require_x()
    kind = dataset.x[0].kind
    if kind not in ENCODED or encoding.split("+", maxsplit=1)[0] in NORMALS:
        raise DataError(
            "augment.depth_mix needs depth or disparity as the first X, with data.x log or "
            f"inverse; here it is {kind} with {encoding}. Leave depth_mix at 0."
        )
