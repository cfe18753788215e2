"""The paper's metrics, all from one confusion matrix over the whole set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """Metrics in [0, 1]. A class is absent if it occurs neither in labels nor in predictions."""

    mFsc: float
    """Mean F1 over the classes that are not absent."""
    fwFsc: float
    """F1 weighted by each class's share of the labels."""
    mIoU: float
    """Mean IoU over the classes that are not absent."""
    fwIoU: float
    """IoU weighted by each class's share of the labels."""
    accuracy: float
    """Share of pixels whose prediction is right."""
    iou: tuple[float | None, ...]
    """IoU per class, None where it is absent."""
    f1: tuple[float | None, ...]
    """F1 per class, None where it is absent."""

    @property
    def means(self) -> dict[str, float]:
        """The paper's four metrics and the pixel accuracy."""
        names = ("mFsc", "fwFsc", "mIoU", "fwIoU", "accuracy")
        return {name: getattr(self, name) for name in names}

    def absent(self, classes: Sequence[str]) -> list[str]:
        """Names of the absent classes, which no mean contains."""
        return [name for name, iou in zip(classes, self.iou, strict=True) if iou is None]

    def as_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """All metrics in plain types for JSON."""
        return {
            **self.means,
            "iou": dict(zip(classes, self.iou, strict=True)),
            "f1": dict(zip(classes, self.f1, strict=True)),
            "absent": self.absent(classes),
        }


def scores(confusion: Tensor) -> Scores:
    """Derive all metrics from a confusion matrix.

    IoU = TP / (TP + FP + FN), F1 = 2TP / (2TP + FP + FN). A class that is only predicted counts
    with 0; one that occurs in neither labels nor predictions is left out of the means.

    Args:
        confusion: (K, K) pixel counts, rows = labels, columns = predictions.

    Raises:
        ValueError: no pixel was counted.

    >>> import torch
    >>> round(scores(torch.tensor([[3, 1], [0, 4]])).mIoU, 3)
    0.775
    """
    counts = confusion.double()
    if counts.sum() == 0:
        raise ValueError("There is no labelled pixel to evaluate on; check the labels.")
    hits, labelled, predicted = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
    union = labelled + predicted - hits
    present = union > 0
    iou = hits / union.clamp(min=1)
    f1 = 2 * hits / (labelled + predicted).clamp(min=1)
    frequency = labelled / labelled.sum()
    return Scores(
        mFsc=f1[present].mean().item(),
        fwFsc=(frequency * f1).sum().item(),
        mIoU=iou[present].mean().item(),
        fwIoU=(frequency * iou).sum().item(),
        accuracy=(hits.sum() / counts.sum()).item(),
        iou=_per_class(iou, present),
        f1=_per_class(f1, present),
    )


def _per_class(values: Tensor, present: Tensor) -> tuple[float | None, ...]:
    pairs = zip(values.tolist(), present.tolist(), strict=True)
    return tuple(value if there else None for value, there in pairs)
