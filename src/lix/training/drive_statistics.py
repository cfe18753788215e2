"""What is watched of unlabelled frames: does the teacher know them, does the student follow it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lix.core.types import IGNORE_INDEX

FOREIGN = 0.75
"""A warning is given where the teacher's confidence on unlabelled frames is below this share of its
confidence on labelled ones."""


class DriveStatistics:
    """What the teacher and the student think of labelled and of unlabelled frames, over an epoch.

    Args:
        classes: names by train id.
    """

    KINDS = ("labelled", "unlabelled")

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = classes
        self._sums: dict[str, Tensor] = {}

    def reset(self) -> None:
        """Start a new epoch."""
        self._sums = {}

    @torch.no_grad()
    def update(
        self, teacher: Tensor, student: Tensor, target: Tensor, valid: Tensor, labelled: Tensor
    ) -> None:
        """Add a batch; every second row and column of it.

        Args:
            teacher, student: (B, K, H, W) logits.
            target: (B, H, W) labels, 255 where there is none.
            valid: (B, H, W), true inside the image.
            labelled: (B,), true for frames with labels.
        """
        # A quarter of the pixels says as much, and max and amax are far faster than argmax.
        teacher, student = teacher[..., ::2, ::2].float(), student[..., ::2, ::2]
        valid = valid[..., ::2, ::2]
        logits, classes = teacher.max(dim=1)
        confidence = (logits - teacher.logsumexp(dim=1)).exp()
        labels = target[target != IGNORE_INDEX]
        self._add("labels", torch.bincount(labels, minlength=len(self.classes)))
        agreed = student.gather(1, classes.unsqueeze(1)).squeeze(1) == student.amax(dim=1)
        for kind, frames in zip(self.KINDS, (labelled, ~labelled), strict=True):
            mask = valid & frames.view(-1, 1, 1)
            counts = torch.bincount(classes[mask], minlength=len(self.classes))
            self._add(f"pixels_{kind}", mask.sum())
            self._add(f"confidence_{kind}", (confidence * mask).sum())
            self._add(f"agreement_{kind}", (agreed & mask).sum())
            self._add(f"classes_{kind}", counts)

    def _add(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value

    def means(self) -> dict[str, Tensor]:
        """Mean confidence of the teacher, agreement of the student and class shares, by name."""
        means: dict[str, Tensor] = {}
        if "labels" in self._sums:
            counts = self._sums["labels"]
            means |= self._by_class("labels", counts / counts.sum().clamp(min=1))
        for kind in self.KINDS if self._sums else ():
            pixels = self._sums[f"pixels_{kind}"].clamp(min=1)
            for name in ("confidence", "agreement"):
                means[f"{name}_{kind}"] = self._sums[f"{name}_{kind}"] / pixels
            means |= self._by_class(f"teacher_{kind}", self._sums[f"classes_{kind}"] / pixels)
        return means

    def _by_class(self, what: str, shares: Tensor) -> dict[str, Tensor]:
        named = zip(self.classes, shares, strict=True)
        return {f"{what}_{name}": share for name, share in named}


def diagnose_drive(epoch_means: Mapping[str, float]) -> dict[str, str]:
    """What is wrong with unlabelled frames, from `DriveStatistics`' means: topic → a sentence."""
    problems: dict[str, str] = {}
    labelled, unlabelled = (epoch_means.get(f"confidence_{k}") for k in DriveStatistics.KINDS)
    if labelled is not None and unlabelled is not None and unlabelled < FOREIGN * labelled:
        problems["foreign_drive"] = (
            f"the unlabelled frames look foreign to the teacher: its mean confidence is "
            f"{100 * unlabelled:.0f} % there and {100 * labelled:.0f} % on labelled frames; check "
            "that X is stored in the same units, or train a teacher on more kinds of frames."
        )
    prefix = "teacher_unlabelled_"
    missing = [
        name.removeprefix(prefix)
        for name, share in epoch_means.items()
        if name.startswith(prefix)
        and share == 0
        and epoch_means[name.replace(prefix, "labels_", 1)] > 0
    ]
    if missing:
        problems["missing_classes"] = (
            f"the teacher finds no {', '.join(missing)} in the unlabelled frames, so they teach "
            "nothing about it; that is right only if there is none."
        )
    return problems
