"""The contract of every distillation method."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from lix.core.types import IGNORE_INDEX, FeatureSpec, SegOutput
from lix.methods.parts.cells import covering, match_size
from lix.methods.parts.first_stage import Batch, FirstStage, StageRecord
from lix.methods.parts.pixels import blank
from lix.methods.parts.precision import full_precision
from lix.networks.parts.base import SegNetwork


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
    maps: ClassVar[Literal["all", "last"]] = "all"
    """Which of the networks' default features are compared unless the user names some."""
    per_pixel: ClassVar[frozenset[str]] = frozenset()
    """Names of the terms that are means over labelled pixels; the training module makes them means
    over the pixels of all processes."""
    hard_weight: float = 1.0
    """Factor of the cross-entropy with the labels."""
    epoch: float = math.inf
    """Set by the training loop; as it is, no warm-up or stage is under way."""

    def __init__(self, pairs: Sequence[FeaturePair], num_classes: int) -> None:
        super().__init__()
        self.pairs, self.num_classes = tuple(pairs), num_classes
        self.monitors: dict[str, Tensor] = {}
        if self.kind in ("feature", "both") and not pairs:
            raise ValueError(
                f"{type(self).__name__} compares feature maps: give it at least one pair."
            )

    @property
    def idle(self) -> frozenset[str]:
        """Terms that are 0 on purpose in this epoch, `hard` among them."""
        return frozenset()

    def first_stage(self) -> FirstStage | None:
        """What must be trained before the student; most methods have nothing."""
        return None

    def prepare(
        self,
        teacher: SegNetwork,
        batches: Iterable[Batch],
        *,
        features: Sequence[str] | None = None,
        record: StageRecord | None = None,
    ) -> None:
        """Run the first stage, if the method has one.

        Args:
            teacher: the frozen teacher.
            batches: (image, X or None, target); a list or a loader, since it may be passed over
                several times.
            features: names of the teacher's maps, in the order of `pairs`; default: the last of
                `teacher.default_features`.
            record: keeps the stage over interruptions.

        Raises:
            ValueError: the teacher is in training mode, or the batches are used up.
            ArithmeticError: the stage diverges.
        """
        stage = self.first_stage()
        if stage is None:
            return
        if teacher.training:
            raise ValueError("The teacher is in training mode; call teacher.eval().")
        if features is None:
            features = teacher.default_features[-len(self.pairs) :] if self.pairs else ()
        if record:
            record.restore(stage)
        while stage.done < stage.passes:
            loss = stage.run_pass(teacher, batches, features)
            if record:
                record.passed(stage, loss)

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


class Maps(NamedTuple):
    """A pair of feature maps ready to be compared."""

    pair: int
    """Its place in `pairs`."""
    name: str
    """Of the student's map."""
    student: Tensor
    """(B, C_S, h, w) of the samples that have labels, 0 at ignored cells."""
    teacher: Tensor
    """(B, C_T, h, w), of the same size."""
    cells: Tensor | None
    """(B, h, w), true where a cell covers a labelled pixel; None: everywhere."""

    @property
    def cells_per_sample(self) -> Tensor | float:
        """How many cells count, in the mean over samples."""
        if self.cells is None:
            return float(self.student[0, 0].numel())
        return self.cells.sum() / len(self.cells)


class Labels:
    """Which cells of a map cover a labelled pixel, found once for every size."""

    def __init__(self, valid: Tensor) -> None:
        self.valid = valid
        self._found: dict[tuple[int, ...], Tensor | None] = {}

    def cells(self, f: Tensor) -> Tensor | None:
        """(B, h, w) of the map `f`; None where all cells do."""
        size = tuple(f.shape[-2:])
        if size not in self._found:
            cells = covering(self.valid, size)
            self._found[size] = None if cells.all() else cells
        return self._found[size]


class FeatureMethod(Method):
    """A method that compares pairs of feature maps: the sum of its loss over the pairs.

    A cell counts if it covers a labelled pixel; samples without labels are left out.
    """

    kind: ClassVar[Literal["none", "logit", "feature", "both"]] = "feature"
    weight: float

    @full_precision
    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        self.monitors = {}
        terms: dict[str, Tensor] = {}
        for maps in self.compared(student, teacher, target):
            for name, term in self.pair_terms(maps).items():
                terms[name] = terms[name] + term if name in terms else term
        if not terms:
            first, *others = self.terms
            nothing = self.nothing(student)
            terms = {first: nothing} | {name: nothing.detach() for name in others}
        return terms

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of what `pair_terms` returns."""
        return (type(self).__name__.lower(),)

    def pair_terms(self, maps: Maps) -> dict[str, Tensor]:
        """The weighted terms of one pair."""
        return {self.terms[0]: self.weight * self.pair_loss(maps)}

    def pair_loss(self, maps: Maps) -> Tensor:
        """The loss of one pair, a scalar."""
        raise NotImplementedError

    def compared(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> Iterator[Maps]:
        """The pairs of maps in the parameters' precision; none where no sample has a label.

        Raises:
            ValueError: maps that are not those of `pairs`.
        """
        self._check(student, "student", [pair.student for pair in self.pairs], target)
        self._check(teacher, "teacher", [pair.teacher for pair in self.pairs], target)
        valid = target != IGNORE_INDEX
        seen = valid.flatten(1).any(dim=1)
        if not seen.any():
            return
        keep = slice(None) if seen.all() else seen
        labels = Labels(valid[keep])
        found = zip(student.features.items(), teacher.features.values(), strict=True)
        for i, ((name, fs), ft) in enumerate(found):
            dtype = next((p.dtype for p in self.parameters()), fs.dtype)
            fs, ft = (blank(f[keep].to(dtype), labels.cells(f)) for f in (fs, ft))
            fs, ft = match_size(fs, ft)
            yield Maps(i, name, fs, ft, labels.cells(fs))

    def nothing(self, student: SegOutput) -> Tensor:
        """0, connected to everything that a loss would have taught."""
        taught = [*student.features.values(), *(p for p in self.parameters() if p.requires_grad)]
        return torch.stack(
            [t.where(torch.zeros_like(t, dtype=torch.bool), 0.0).sum().float() for t in taught]
        ).sum()

    def _check(
        self, out: SegOutput, who: str, specs: Sequence[FeatureSpec], target: Tensor
    ) -> None:
        if len(out.features) != len(specs):
            raise ValueError(
                f"{type(self).__name__} compares {len(specs)} pair(s) of maps, but the {who} gave "
                f"{len(out.features)}; ask for them with features=."
            )
        for (name, f), spec in zip(out.features.items(), specs, strict=True):
            if f.ndim != 4 or f.shape[:2] != (len(target), spec.channels):
                raise ValueError(
                    f"The {who}'s map {name!r} must be ({len(target)}, {spec.channels}, h, w), "
                    f"got {tuple(f.shape)}."
                )
