"""The contract of every distillation method, and the two common kinds: on logits and on maps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from lix.core.types import FeatureSpec, SegOutput
from lix.methods.parts.checks import check_logits, check_target
from lix.methods.parts.distributed import mean_over_processes
from lix.methods.parts.masks import MaskPyramid, match_size, valid_mask, zero_outside
from lix.methods.parts.precision import full_precision
from lix.methods.parts.teacher_stage import Batch, TeacherStage
from lix.networks.parts.base import SegNetwork


class FeaturePair(NamedTuple):
    """A student map and the teacher map it is compared with."""

    student: FeatureSpec
    teacher: FeatureSpec


class Method(nn.Module):
    """A distillation method: turns what student and teacher return into named loss terms.

    Every learnable part is a parameter of the method; the training module optimises
    `student.parameters()` and `method.parameters()` together.

    Calling a method is its door: the target is checked, the teacher's output is detached and half
    precision becomes float32 before `forward` sees them.

    Args:
        pairs: the feature maps compared, in the order of `SegOutput.features`; empty for methods
            that see only logits.
        num_classes: K.
    """

    kind: ClassVar[Literal["none", "logit", "feature", "both"]]
    citation: ClassVar[str] = ""
    """Key of the paper in `references.bib`; empty where there is none."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named sets of options, such as the constants of the official code."""
    default_pairs: ClassVar[Literal["all", "last"]] = "all"
    """Which of the networks' default features are compared unless the user names some."""
    needs_x: ClassVar[bool] = False
    """Whether `forward` takes the batch's X as `x`, as a method that predicts depth does."""
    hard_weight: float = 1.0
    """Factor of the cross-entropy with the labels."""
    epoch: float = math.inf
    """Set by the training loop; as it is, every warm-up is over."""

    def __init__(self, pairs: Sequence[FeaturePair], num_classes: int) -> None:
        super().__init__()
        self.pairs, self.num_classes = tuple(pairs), num_classes
        self.monitors: dict[str, Tensor] = {}
        """What is worth watching in the last call, by name: scalars without gradient."""
        if self.kind in ("feature", "both") and not pairs:
            raise ValueError(
                f"{type(self).__name__} compares feature maps: give it at least one pair."
            )

    @full_precision
    def __call__(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the weighted loss terms by name, each a scalar.

        Args:
            student: logits (B, K, H, W) and the student maps of `pairs`.
            teacher: the same of the teacher; a constant, whatever gradient it carries.
            target: (B, H, W) integers: train ids in [0, K), 255 = ignored.
            x: (B, C, H, W), the batch's X as the teacher sees it, for methods with `needs_x`.

        Raises:
            ValueError: shapes or labels that do not fit, or a missing X.
        """
        target = check_target(target, student.logits)
        features = {name: f.detach() for name, f in teacher.features.items()}
        teacher = SegOutput(teacher.logits.detach(), features)
        self.monitors = {}
        if not self.needs_x:
            terms: dict[str, Tensor] = super().__call__(student, teacher, target)
        elif x is None:
            raise ValueError(f"{type(self).__name__} learns from X; pass the batch's X as x=.")
        else:
            terms = super().__call__(student, teacher, target, x=x)
        return terms

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The method itself, behind the door of `__call__`; `x` only where `needs_x`."""
        raise NotImplementedError

    def teacher_stage(self) -> TeacherStage | None:
        """What must be trained on the teacher before the student; most methods have nothing."""
        return None

    def prepare(
        self,
        teacher: SegNetwork,
        batches: Iterable[Batch],
        *,
        features: Sequence[str] | None = None,
    ) -> None:
        """Run the teacher stage, if the method has one; needed before the student's training.

        Args:
            teacher: the frozen teacher.
            batches: (image, X or None, target) or, with unlabelled images, a fourth tensor, the
                `valid` of `pseudo_target`; a list or a loader, since several epochs pass over it.
            features: names of the teacher's maps, in the order of `pairs`; default: the last of
                `teacher.default_features`.

        Raises:
            ValueError: the teacher is in training mode, or the batches are used up.
            ArithmeticError: the stage diverges.
        """
        if (stage := self.teacher_stage()) is None:
            return
        if features is None:
            features = teacher.default_features[-len(self.pairs) :] if self.pairs else ()
        while stage.epochs_done < stage.epochs:
            stage.run_epoch(teacher, batches, features)

    def diagnose(self, epoch_means: Mapping[str, float]) -> dict[str, str]:
        """What has collapsed, judged by the monitors' means over an epoch: topic → a sentence."""
        return {}


class LogitMethod(Method):
    """A method that compares logits: `weight` times one loss."""

    kind: ClassVar[Literal["none", "logit", "feature", "both"]] = "logit"
    per_pixel: ClassVar[bool] = False
    """Whether the loss is a mean over labelled pixels; in a distributed training it is then the
    mean over the pixels of all processes."""
    weight: float

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        check_logits(student.logits, teacher.logits)
        loss = self.logit_loss(student.logits, teacher.logits, target)
        if self.per_pixel:
            pixels = valid_mask(target).sum().float()
            loss = pixels / mean_over_processes(pixels).clamp(min=1e-6) * loss
        return {type(self).__name__.lower(): self.weight * loss}

    def logit_loss(self, zs: Tensor, zt: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            zs, zt: (B, K, H, W) student and teacher logits.
            target: (B, H, W) train ids, 255 = ignored.
        """
        raise NotImplementedError


class FeatureMaps(NamedTuple):
    """A pair of feature maps ready to be compared."""

    pair: int
    """Index of the pair in the method's `pairs`."""
    name: str
    """Name of the student's map."""
    student: Tensor
    """(B, C_S, h, w) of the samples that have labels, 0 at ignored positions."""
    teacher: Tensor
    """(B, C_T, h, w), of the same size."""
    mask: Tensor | None
    """(B, h, w), true where a position covers a labelled pixel; None: everywhere."""

    @property
    def positions_per_image(self) -> Tensor | float:
        """How many positions count, in the mean over images."""
        if self.mask is None:
            return float(self.student[0, 0].numel())
        return self.mask.sum() / len(self.mask)


class FeatureMethod(Method):
    """A method that compares pairs of feature maps: the sum of its loss over the pairs.

    A position counts if it covers a labelled pixel; samples without labels are left out.
    """

    kind: ClassVar[Literal["none", "logit", "feature", "both"]] = "feature"
    weight: float

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for maps in self.compared(student, teacher, target):
            for name, term in self.pair_terms(maps).items():
                terms[name] = terms[name] + term if name in terms else term
        if not terms:
            first, *others = self.terms
            zero = self.zero(student)
            terms = {first: zero} | {name: zero.detach() for name in others}
        return terms

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of what `pair_terms` returns."""
        return (type(self).__name__.lower(),)

    def pair_terms(self, maps: FeatureMaps) -> dict[str, Tensor]:
        """The weighted terms of one pair."""
        return {self.terms[0]: self.weight * self.pair_loss(maps)}

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        """The loss of one pair, a scalar."""
        raise NotImplementedError

    def compared(
        self, student: SegOutput, teacher: SegOutput, target: Tensor
    ) -> Iterator[FeatureMaps]:
        """The pairs of maps in the parameters' precision; none where no sample has a label.

        Raises:
            ValueError: maps that are not those of `pairs`.
        """
        self._check(student, "student", [pair.student for pair in self.pairs], len(target))
        self._check(teacher, "teacher", [pair.teacher for pair in self.pairs], len(target))
        valid = valid_mask(target)
        has_labels = valid.flatten(1).any(dim=1)
        if not has_labels.any():
            return
        keep = slice(None) if has_labels.all() else has_labels
        masks = MaskPyramid(valid[keep])
        both = zip(student.features.items(), teacher.features.values(), strict=True)
        for i, ((name, fs), ft) in enumerate(both):
            dtype = next((p.dtype for p in self.parameters()), fs.dtype)
            fs, ft = (zero_outside(f[keep].to(dtype), masks.at(f)) for f in (fs, ft))
            fs, ft = match_size(fs, ft)
            yield FeatureMaps(i, name, fs, ft, masks.at(fs))

    def zero(self, student: SegOutput) -> Tensor:
        """0, connected to everything that a loss would have taught, so that DDP finds it used."""
        learners = [*student.features.values(), *(p for p in self.parameters() if p.requires_grad)]
        return torch.stack(
            [t.where(torch.zeros_like(t, dtype=torch.bool), 0.0).sum().float() for t in learners]
        ).sum()

    def _check(self, out: SegOutput, who: str, specs: Sequence[FeatureSpec], batch: int) -> None:
        if len(out.features) != len(specs):
            raise ValueError(
                f"{type(self).__name__} compares {len(specs)} pair(s) of maps, but the {who} gave "
                f"{len(out.features)}; ask for them with features=."
            )
        for (name, f), spec in zip(out.features.items(), specs, strict=True):
            if f.ndim != 4 or f.shape[:2] != (batch, spec.channels):
                raise ValueError(
                    f"The {who}'s map {name!r} must be ({batch}, {spec.channels}, h, w), "
                    f"got {tuple(f.shape)}."
                )
