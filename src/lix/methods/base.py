"""The contract of every distillation method, and what several methods share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.networks.base import FeatureSpec, SegNetwork, SegOutput

IGNORE_INDEX = 255

P = ParamSpec("P")


class FeaturePair(NamedTuple):
    """A student map and the teacher map it is compared with."""

    student: FeatureSpec
    teacher: FeatureSpec


class Method(nn.Module):
    """A distillation method: turns what student and teacher return into named loss terms.

    Every learnable part is a parameter of the method; the training module optimises
    `student.parameters()` and `method.parameters()` together.

    Args:
        pairs: the feature maps compared, in the order of `SegOutput.features`; empty for methods
            that see logits only.
        num_classes: K.
    """

    kind: ClassVar[Literal["none", "logit", "feature", "both"]]
    citation: ClassVar[str]
    """BibTeX."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named sets of options, such as the constants of the official code."""

    def __init__(self, pairs: Sequence[FeaturePair], num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.monitors: dict[str, Tensor] = {}
        if self.kind in ("feature", "both") and not pairs:
            raise ValueError(
                f"{type(self).__name__} compares feature maps: give it at least one pair."
            )

    def prepare(
        self, teacher: SegNetwork, batches: Iterable[tuple[Tensor, Tensor | None, Tensor]]
    ) -> None:
        """Run the first stage of a two-stage method; most methods have none.

        Args:
            teacher: the frozen teacher.
            batches: image, X and target, as training sees them.
        """

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        """Return the weighted loss terms by name, each a scalar.

        Args:
            student: logits (B, K, H, W) and the student maps of `pairs`.
            teacher: the same of the teacher, without gradient.
            target: (B, H, W) train ids, 255 = ignored.

        Also leaves in `monitors` what is worth watching, by name, as scalars without gradient.
        """
        raise NotImplementedError

    def diagnose(self, epoch_means: Mapping[str, float]) -> list[str]:
        """Say, from the monitors' means over an epoch, what has collapsed: a sentence each."""
        return []


def full_precision(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Let a loss compute in float32 under autocast and for half inputs; float64 stays.

    Differences of log-probabilities and Gram matrices lose everything in 8 or 11 bits.
    """

    @functools.wraps(loss)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        device = next(a.device.type for a in args if isinstance(a, Tensor))
        with torch.autocast(device_type=device, enabled=False):
            promoted = {key: _promote(value) for key, value in kwargs.items()}
            return loss(*[_promote(a) for a in args], **promoted)  # type: ignore[arg-type]

    return wrapped


def _promote(value: object) -> object:
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half else value  # type: ignore[attr-defined]


def check_logits(zs: Tensor, zt: Tensor, target: Tensor | None = None) -> None:
    """Raise a ValueError unless `zs` and `zt` are (B, K, …) alike and `target` is (B, …)."""
    if zs.shape != zt.shape or zs.ndim < 2:
        raise ValueError(
            f"Student and teacher logits must have one shape (B, K, H, W) or (B, K), "
            f"got {tuple(zs.shape)} and {tuple(zt.shape)}."
        )
    pixels = (zs.shape[0], *zs.shape[2:])
    if target is not None and tuple(target.shape) != pixels:
        raise ValueError(f"The target must have shape {pixels}, got {tuple(target.shape)}.")


def masked_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of `values` where `valid` is true; 0, still connected to the graph, where none is.

    >>> masked_mean(torch.tensor([1.0, 5.0]), torch.tensor([True, False]))
    tensor(1.)
    """
    if valid is None:
        return values.mean()
    return values.where(valid, values.new_zeros(())).sum() / valid.sum().clamp(min=1)


def blank(maps: Tensor, valid: Tensor | None) -> Tensor:
    """Zero the (B, C, …) `maps` where `valid` (B, …) is false, so that not even NaN leaks out."""
    return maps if valid is None else maps.masked_fill(~valid.unsqueeze(1), 0.0)


def match_size(fs: Tensor, ft: Tensor) -> tuple[Tensor, Tensor]:
    """Resize the larger of two maps (B, C, H, W) to the smaller one's H x W, bilinearly."""
    size = tuple(min(s, t) for s, t in zip(fs.shape[-2:], ft.shape[-2:], strict=True))
    return _resize(fs, size), _resize(ft, size)


def _resize(f: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(f.shape[-2:]) == size:
        return f
    return F.interpolate(f, size=size, mode="bilinear", align_corners=False)


def valid_cells(target: Tensor, size: Sequence[int], ignore_index: int = IGNORE_INDEX) -> Tensor:
    """(B, h, w) feature cells that cover at least one labelled pixel of `target` (B, H, W)."""
    labelled = (target != ignore_index).float().unsqueeze(1)
    return F.adaptive_max_pool2d(labelled, list(size)).squeeze(1) > 0
