"""The paper's metrics, all from one confusion matrix over the whole set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor


class ByClass(NamedTuple):
    """What a metric is made of: a value for each class, shares in [0, 1]."""

    f1: Tensor
    iou: Tensor
    frequency: Tensor
    """Share of the labels."""
    present: Tensor
    """False where a class occurs neither in labels nor in predictions."""


METRICS: dict[str, Callable[[ByClass], Tensor]] = {
    "mFsc": lambda of: of.f1[of.present].mean(),
    "fwFsc": lambda of: (of.frequency * of.f1).sum(),
    "mIoU": lambda of: of.iou[of.present].mean(),
    "fwIoU": lambda of: (of.frequency * of.iou).sum(),
}
"""The paper's metrics; what is added here is in results, tables and figures too."""


@dataclass(frozen=True)
class Scores:
    """Metrics in [0, 1]. A class is absent if it occurs neither in labels nor in predictions."""

    means: dict[str, float]
    """`METRICS`, and `accuracy`: the share of pixels that are right."""
    iou: tuple[float | None, ...]
    """IoU by class, None where absent."""
    f1: tuple[float | None, ...]
    """F1 by class, None where absent."""

    @property
    def mIoU(self) -> float:  # noqa: N802 - its name in the field
        """Mean IoU, by which checkpoints are chosen."""
        return self.means["mIoU"]

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
    by_class = ByClass(f1, iou, labelled / labelled.sum(), present)
    means = {name: metric(by_class).item() for name, metric in METRICS.items()}
    return Scores(
        means=means | {"accuracy": (hits.sum() / counts.sum()).item()},
        iou=_per_class(iou, present),
        f1=_per_class(f1, present),
    )


def _per_class(values: Tensor, present: Tensor) -> tuple[float | None, ...]:
    pairs = zip(values.tolist(), present.tolist(), strict=True)
    return tuple(value if is_present else None for value, is_present in pairs)
