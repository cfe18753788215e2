"""Runs a network over a data set and counts its predictions in a confusion matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from lix.core.types import IGNORE_INDEX
from lix.networks.parts.base import SegNetwork


def confusion_matrix(num_classes: int, **options: Any) -> MulticlassConfusionMatrix:
    """The counter of all evaluations; rows = labels, columns = predictions, 255 is left out."""
    return MulticlassConfusionMatrix(
        num_classes, ignore_index=IGNORE_INDEX, validate_args=False, **options
    )


def evaluate(
    network: SegNetwork, batches: Iterable[dict[str, Any]], *, accelerator: str = "auto"
) -> Tensor:
    """Confusion matrix (K, K) of a network over all batches of this process.

    Args:
        network: put into eval mode and onto the device it runs on, and back.
        batches: dicts with `image`, `target` and, for a teacher, `x`.
        accelerator: `cpu`, or `auto` for the accelerator that torch finds.
    """
    found = None
    if accelerator != "cpu":
        found = torch.accelerator.current_accelerator(check_available=True)
    device, home = found or torch.device("cpu"), next(network.parameters()).device
    counter = confusion_matrix(network.num_classes, sync_on_compute=False).to(device)
    was_training = network.training
    network.to(device).eval()
    with torch.inference_mode():
        for batch in batches:
            x = batch["x"].to(device) if network.x_channels else None
            logits = network(batch["image"].to(device), x).logits
            counter.update(logits.argmax(dim=1), batch["target"].to(device))
    network.to(home).train(was_training)
    matrix: Tensor = counter.compute()
    return matrix.cpu()
