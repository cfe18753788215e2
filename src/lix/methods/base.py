"""The contract of every distillation method."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, ParamSpec, Protocol

import torch
from torch import Tensor, nn

from lix.methods.cells import covering, match_size
from lix.methods.pixels import IGNORE_INDEX, blank
from lix.networks.base import FeatureSpec, SegNetwork, SegOutput

P = ParamSpec("P")
Batch = tuple[Tensor, Tensor | None, Tensor]
"""Image, X (None for an RGB teacher) and target."""


class FeaturePair(NamedTuple):
    """A student map and the teacher map it is compared with."""

    student: FeatureSpec
    teacher: FeatureSpec


@dataclass
class FirstStage:
    """What a two-stage method trains on the teacher alone, before the student's training."""

    part: nn.Module
    loss: Callable[[SegOutput, Tensor], Tensor]
    """Of the teacher's output and the target."""
    optimizer: torch.optim.Optimizer
    passes: int
    """Over the training data."""
    done: int = 0

    def run_pass(
        self, teacher: SegNetwork, batches: Iterable[Batch], features: Sequence[str]
    ) -> float:
        """One pass; returns the mean loss."""
        losses = []
        self.part.requires_grad_(True)
        for image, x, target in batches:
            with torch.no_grad():
                known = teacher(image, x, features=features)
            loss = self.loss(known, target)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        self.optimizer.zero_grad()
        self.part.requires_grad_(False)
        if not losses:
            raise ValueError(
                "The batches are used up; give prepare a list or a DataLoader, not an iterator."
            )
        mean = torch.stack(losses).mean().item()
        if not math.isfinite(mean):
            raise ArithmeticError(
                f"The first stage diverged in pass {self.done + 1}: its loss became {mean}; lower "
                "the method's option lr and start again."
            )
        self.done += 1
        return mean


class StageRecord(Protocol):
    """Keeps a first stage over interruptions, and says how far it is."""

    def restore(self, stage: FirstStage) -> None:
        """Bring the stage to where it was."""

    def passed(self, stage: FirstStage, loss: float) -> None:
        """A pass has ended."""


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
    hard_weight: float = 1.0
    """Factor of the cross-entropy with the labels."""
    epoch: float = math.inf
    """Set by the training loop; as it is, every warm-up counts as over."""

    def __init__(self, pairs: Sequence[FeaturePair], num_classes: int) -> None:
        super().__init__()
        self.pairs, self.num_classes = tuple(pairs), num_classes
        self.monitors: dict[str, Tensor] = {}
        if self.kind in ("feature", "both") and not pairs:
            raise ValueError(
                f"{type(self).__name__} compares feature maps: give it at least one pair."
            )

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
        """
        stage = self.first_stage()
        if stage is None:
            return
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


def full_precision(loss: Callable[P, Any]) -> Callable[P, Any]:
    """Let a loss compute in float32 under autocast and for half inputs; float64 stays.

    Differences of log-probabilities and Gram matrices lose everything in 8 or 11 bits.
    """

    @functools.wraps(loss)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
        device = next(a.device.type for a in args if isinstance(a, Tensor))
        with torch.autocast(device_type=device, enabled=False):
            promoted = {key: _promote(value) for key, value in kwargs.items()}
            return loss(*[_promote(a) for a in args], **promoted)

    return wrapped


def _promote(value: Any) -> Any:
    if isinstance(value, SegOutput):
        features = {name: _promote(f) for name, f in value.features.items()}
        return SegOutput(_promote(value.logits), features)
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half else value


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
        return terms or {self.name: self.nothing(student)}

    @property
    def name(self) -> str:
        """Of its term."""
        return type(self).__name__.lower()

    def pair_terms(self, maps: Maps) -> dict[str, Tensor]:
        """The weighted terms of one pair."""
        return {self.name: self.weight * self.pair_loss(maps)}

    def pair_loss(self, maps: Maps) -> Tensor:
        """The loss of one pair, a scalar."""
        raise NotImplementedError

    def compared(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> Iterator[Maps]:
        """The pairs of maps in the parameters' precision; none where no sample has a label.

        Raises:
            ValueError: maps that are not those of `pairs`.
        """
        self._check(student, "student", [pair.student for pair in self.pairs])
        self._check(teacher, "teacher", [pair.teacher for pair in self.pairs])
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

    def _check(self, out: SegOutput, who: str, specs: Sequence[FeatureSpec]) -> None:
        if len(out.features) != len(specs):
            raise ValueError(
                f"{type(self).__name__} compares {len(specs)} pair(s) of maps, but the {who} gave "
                f"{len(out.features)}; ask for them with features=."
            )
        for (name, f), spec in zip(out.features.items(), specs, strict=True):
            if f.ndim != 4 or f.shape[1] != spec.channels:
                raise ValueError(
                    f"The {who}'s map {name!r} must be (B, {spec.channels}, h, w), "
                    f"got {tuple(f.shape)}."
                )
