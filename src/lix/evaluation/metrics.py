"""The paper's metrics, all from one confusion matrix over the whole set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor


class ByClass(NamedTuple):
    """What a metric is made of: a value for each class, shares in [0, 1]."""

    f1: Tensor
    iou: Tensor
    frequency: Tensor
    """Share of the labels."""
    present: Tensor
    """False where a class occurs neither in labels nor in predictions, or is not scored."""


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
    """IoU by class, None where absent or not scored."""
    f1: tuple[float | None, ...]
    """F1 by class, None where absent or not scored."""
    left_out: tuple[int, ...] = ()
    """Train ids of the classes that are not scored."""
    images: int | None = None
    """Number of images, where these are the scores of some of them."""
    by: Mapping[str, Mapping[str, Scores]] = field(default_factory=dict)
    """Scores of the images of each condition, such as `by["weather"]["fog"]`, where asked for."""

    @property
    def mIoU(self) -> float:  # noqa: N802 - its name in the field
        """Mean IoU, by which checkpoints are chosen."""
        return self.means["mIoU"]

    def absent(self, classes: Sequence[str]) -> list[str]:
        """Names of the absent classes, which no mean contains."""
        named = enumerate(zip(classes, self.iou, strict=True))
        return [name for k, (name, iou) in named if iou is None and k not in self.left_out]

    def not_scored(self, classes: Sequence[str]) -> list[str]:
        """Names of the classes that are left out on request."""
        return [classes[k] for k in self.left_out]

    def as_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """All metrics in plain types for JSON."""
        return {
            **self.means,
            "iou": dict(zip(classes, self.iou, strict=True)),
            "f1": dict(zip(classes, self.f1, strict=True)),
            "absent": self.absent(classes),
            "not_scored": self.not_scored(classes),
            **({} if self.images is None else {"images": self.images}),
            **({"by": self._by(classes)} if self.by else {}),
        }

    def _by(self, classes: Sequence[str]) -> dict[str, Any]:
        return {
            name: {value: part.as_dict(classes) for value, part in parts.items()}
            for name, parts in self.by.items()
        }


def scores(confusion: Tensor, left_out: Collection[int] = ()) -> Scores:
    """Derive all metrics from a confusion matrix.

    IoU = TP / (TP + FP + FN), F1 = 2TP / (2TP + FP + FN). A class that is only predicted counts
    with 0; one that occurs in neither labels nor predictions is left out of the means.

    A class that is left out is what Cityscapes' benchmark calls ignored in evaluation: pixels with
    its label do not count, whatever is predicted there; where it is predicted on another class's
    pixels that class misses them; and no mean contains it.

    Args:
        confusion: (K, K) pixel counts, rows = labels, columns = predictions.
        left_out: train ids of the classes that are not scored.

    Raises:
        ValueError: no pixel was counted.

    >>> import torch
    >>> round(scores(torch.tensor([[3, 1], [0, 4]])).mIoU, 3)
    0.775
    """
    counts = confusion.double()
    places = sorted({*left_out})
    counts[places] = 0
    if counts.sum() == 0:
        others = " of the classes that are scored" if places else ""
        raise ValueError(f"There is no labelled pixel{others} to evaluate on; check the labels.")
    hits, labelled, predicted = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
    union = labelled + predicted - hits
    present = union > 0
    present[places] = False
    iou = hits / union.clamp(min=1)
    f1 = 2 * hits / (labelled + predicted).clamp(min=1)
    by_class = ByClass(f1, iou, labelled / labelled.sum(), present)
    means = {name: metric(by_class).item() for name, metric in METRICS.items()}
    return Scores(
        means=means | {"accuracy": (hits.sum() / counts.sum()).item()},
        iou=_per_class(iou, present),
        f1=_per_class(f1, present),
        left_out=tuple(places),
    )


def _per_class(values: Tensor, present: Tensor) -> tuple[float | None, ...]:
    pairs = zip(values.tolist(), present.tolist(), strict=True)
    return tuple(value if is_present else None for value, is_present in pairs)


def percent(share: float | None, missing: str = "absent") -> str:
    """A share as a cell of a table."""
    return missing if share is None else f"{100 * share:.1f}"
