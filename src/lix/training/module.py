"""One LightningModule for teachers, plain students and distilled students."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from lix.core.types import IGNORE_INDEX, SegOutput
from lix.evaluation.evaluate import confusion_matrix
from lix.evaluation.metrics import Scores, scores
from lix.methods import pseudo_target
from lix.methods.parts.base import FeaturePair, Method
from lix.methods.parts.distributed import mean_over_processes
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import KEY, NetworkSpec
from lix.runs.settings import Optim, Unlabelled
from lix.training.depth_mix import depth_mix
from lix.training.drive_statistics import DriveStatistics
from lix.training.loaders import derived_seed
from lix.training.schedule import schedule


def hard_loss(logits: Tensor, target: Tensor, max_class_weight: float = 1.0) -> Tensor:
    """L_H of Eq. 18: cross-entropy, mean over labelled pixels, 0 where none is.

    With `max_class_weight` above 1 it is a weighted mean, in which the pixels of rare classes weigh
    more: 1/(K · share of the batch), from 1 to that. Pixels and batch are those of all processes.
    """
    loss = F.cross_entropy(logits.float(), target, ignore_index=IGNORE_INDEX, reduction="none")
    valid = target != IGNORE_INDEX
    weight = valid.float()
    if max_class_weight > 1.0:
        labels = target.where(valid, 0)
        counts = torch.zeros(logits.shape[1], device=loss.device)
        counts = mean_over_processes(counts.index_add_(0, labels.flatten(), weight.flatten()))
        rarity = counts.sum() / (len(counts) * counts.clamp(min=1e-6))
        weight = rarity.clamp(1.0, max_class_weight)[labels] * valid
    return (weight * loss).sum() / mean_over_processes(weight.sum()).clamp(min=1e-6)


class SegModule(L.LightningModule):
    """Trains a network on labels and, with a method and a teacher, on what the teacher knows.

    The teacher is held outside the module tree: it is in no checkpoint, no optimiser and never in
    train mode.

    Args:
        network: what is trained.
        spec: written into every checkpoint.
        updates_per_epoch: for a warm-up, which rises with every update of the weights.
        method: its parameters are trained together with the network's.
        teacher: frozen; None without distillation.
        features: names of the student's and of the teacher's maps that the method compares.
        unlabelled: how frames without labels count; without a method they are learnt from by
            cross-entropy with the teacher's classes.
        left_out: train ids of the classes that validation does not score.
        depth_mix: probability that a training frame is overlaid, see `depth_mix`.
    """

    teacher: SegNetwork | None

    def __init__(
        self,
        network: SegNetwork,
        spec: NetworkSpec,
        optim: Optim,
        *,
        epochs: int,
        updates_per_epoch: int = 1,
        seed: int,
        max_class_weight: float = 1.0,
        method: Method | None = None,
        teacher: SegNetwork | None = None,
        features: tuple[Sequence[str], Sequence[str]] = ((), ()),
        unlabelled: Unlabelled | None = None,
        left_out: Sequence[int] = (),
        depth_mix: float = 0.0,
    ) -> None:
        super().__init__()
        self.network, self.method = network, method
        self.spec, self.optim, self.epochs, self.seed = spec, optim, epochs, seed
        self.updates_per_epoch, self.max_class_weight = updates_per_epoch, max_class_weight
        self.student_features, self.teacher_features = features
        self.unlabelled = unlabelled or Unlabelled()
        self.drive_statistics = DriveStatistics(spec.classes)
        self.confusion = confusion_matrix(network.num_classes)
        self.left_out, self.depth_mix = tuple(left_out), depth_mix
        self.scores: Scores | None = None
        """Those of the last validation."""
        frozen = teacher.eval().requires_grad_(False) if teacher else None
        object.__setattr__(self, "teacher", frozen)  # not a submodule, see above

    def on_fit_start(self) -> None:
        if self.teacher is not None:
            self.teacher.to(self.trainer.strategy.root_device)

    def on_train_epoch_start(self) -> None:
        self.drive_statistics.reset()
        if self.method is not None:
            self.method.epoch = self.current_epoch

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Seed dropout and the like, so that a resumed run draws what an undisturbed one would."""
        torch.manual_seed(derived_seed(self.seed, self.current_epoch, batch_idx, self.global_rank))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        if self.depth_mix:
            batch = depth_mix(batch, self.depth_mix)
        terms = self.losses(batch)
        total = torch.stack(list(terms.values())).sum()
        for name, term in terms.items():
            if not term.isfinite():
                raise ArithmeticError(
                    f"The loss term {name!r} became {term.item()} in epoch "
                    f"{self.current_epoch + 1} at the images {', '.join(batch['id'])}; "
                    "lower optim.lr or the method's weight, or use precision 32-true, and "
                    "continue with --resume."
                )
        monitors = self.method.monitors if self.method else {}
        self.log_dict(
            {"loss": total.detach()}
            | {f"loss_{name}": term.detach() for name, term in terms.items()}
            | {f"share_{name}": share for name, share in _shares(terms).items()}
            | monitors,
            on_step=False,
            on_epoch=True,
            batch_size=len(batch["target"]),
            sync_dist=True,
        )
        return total

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Eq. 18's terms by name: `hard` and, with distillation, the method's.

        `hard` sees true labels only. On frames that nobody labelled the method sees the teacher's
        classes in their place; without a method `pseudo` is the cross-entropy with them.
        """
        image, target = batch["image"], batch["target"]
        x = batch["x"] if self.network.x_channels else None
        student: SegOutput = self.network(image, x, features=self.student_features)
        hard = hard_loss(student.logits, target, self.max_class_weight)
        if self.teacher is None:
            return {"hard": hard}
        with torch.no_grad():
            teacher_x = batch["x"] if self.teacher.x_channels else None
            teacher = self.teacher(image, teacher_x, features=self.teacher_features)
        if "valid" in batch:
            target = self._pseudo_labelled(batch, student, teacher)
        if self.method is None:
            target = target.where(batch["target"] == IGNORE_INDEX, IGNORE_INDEX)
            distilled = {"pseudo": hard_loss(student.logits, target)}
        else:
            distilled = self.method(student, teacher, target, x=batch.get("x"))
            hard = self.method.hard_weight * hard
        if "valid" in batch and self.unlabelled.weight != 1:
            distilled = {name: self.unlabelled.weight * term for name, term in distilled.items()}
        return {"hard": hard} | distilled

    def _pseudo_labelled(
        self, batch: dict[str, Any], student: SegOutput, teacher: SegOutput
    ) -> Tensor:
        """The target with the teacher's classes on unlabelled frames, which are also watched."""
        target, valid = batch["target"], batch["valid"]
        self.drive_statistics.update(
            teacher.logits, student.logits, target, valid, batch["labelled"]
        )
        min_confidence = self.unlabelled.min_confidence
        return pseudo_target(target, teacher.logits, valid, min_confidence=min_confidence)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Log what is watched of unlabelled frames, before callbacks read the epoch's means."""
        if self.trainer.is_last_batch:
            means = self.drive_statistics.means()
            self.log_dict(means, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Keep NaN weights out of the next checkpoint."""
        for name, parameter in self.named_parameters():
            if not parameter.isfinite().all():
                raise ArithmeticError(
                    f"The weights {name} became NaN or infinite in epoch {self.current_epoch + 1}; "
                    "lower optim.lr or the method's weight, and continue with --resume."
                )

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        x = batch["x"] if self.network.x_channels else None
        logits = self.network(batch["image"], x).logits
        self.confusion.update(logits.argmax(dim=1), batch["target"])
        loss = hard_loss(logits, batch["target"])
        self.log("val_loss", loss, batch_size=len(batch["target"]), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.scores = scores(self.confusion.compute(), self.left_out)
            means = self.scores.means
            # Every rank holds the same matrix; Lightning wants the flag all the same.
            self.log_dict({f"val_{k}": v for k, v in means.items()}, sync_dist=True)
        self.confusion.reset()

    def configure_optimizers(self) -> Any:
        parameters = [p for p in self.parameters() if p.requires_grad]
        o = self.optim
        optimizer: torch.optim.Optimizer
        if o.name == "sgd":
            optimizer = torch.optim.SGD(
                parameters, lr=o.lr, momentum=o.momentum, weight_decay=o.weight_decay
            )
        else:
            optimizer = torch.optim.AdamW(parameters, lr=o.lr, weight_decay=o.weight_decay)
        return schedule(optimizer, o, self.epochs, self.updates_per_epoch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[KEY] = self.spec.as_dict()


def _shares(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each term's share of the loss by size; DWLD may be negative."""
    sizes = {name: term.detach().abs() for name, term in terms.items()}
    whole = torch.stack(list(sizes.values())).sum().clamp(min=1e-12)
    return {name: size / whole for name, size in sizes.items()}


def feature_pairs(
    student: SegNetwork, teacher: SegNetwork, names: tuple[Sequence[str], Sequence[str]]
) -> list[FeaturePair]:
    """The specs of the maps that are compared.

    Raises:
        ValueError: lists of different length, or a name that a network does not have.
    """
    if len(names[0]) != len(names[1]):
        raise ValueError(
            f"features names {len(names[0])} student maps but teacher_features "
            f"{len(names[1])}; they are compared in order, so name as many."
        )
    for who, network, wanted in (("student", student, names[0]), ("teacher", teacher, names[1])):
        if len(set(wanted)) < len(wanted):
            raise ValueError(f"The {who}'s features {', '.join(wanted)} name a map twice.")
        for name in wanted:
            if name not in network.feature_specs:
                known = ", ".join(network.feature_specs)
                raise ValueError(f"The {who} has no feature {name!r}; it has {known}.")
    return [
        FeaturePair(student.feature_specs[s], teacher.feature_specs[t])
        for s, t in zip(*names, strict=True)
    ]
