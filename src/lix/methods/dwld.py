"""DWLD: decoupled logit distillation with a dynamic weight for every logit (LIX, Eq. 9-11)."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from lix.core.types import IGNORE_INDEX, SegOutput
from lix.methods.dkd import binary_kl, check_decoupled, decouple
from lix.methods.parts.base import FeaturePair, Method
from lix.methods.parts.controller import (
    BETA_MAX,
    BETA_MIN,
    Omega,
    WeightController,
    adversarial,
    confidence,
    in_range,
    rarity,
    watch,
)
from lix.methods.parts.pixels import Rule, blank, check_logits, pixel_mean
from lix.methods.parts.precision import full_precision

MOSTLY = 0.9
"""Share of saturated weights that is worth a warning."""

Side = Literal["student", "teacher"]
Form = Literal["eq9", "kl"]


@full_precision
def dwld_loss(
    zs: Tensor,
    zt: Tensor,
    target: Tensor,
    beta: Tensor | float,
    *,
    alpha: float = 1.0,
    direction: Literal["forward", "reverse"] = "forward",
    form: Form = "eq9",
    ignore_index: int = IGNORE_INDEX,
) -> Tensor:
    """Eq. 9: mean over pixels of α·TCLD + Σ_i β_i·NCLD_i.

    NCLD_i is the i-th summand of the KL divergence over the classes other than the labelled one.
    With weights that differ between classes it is no divergence any more: it can be negative, and
    its minimiser is p^S ∝ β ⊙ p^T. `form="kl"` mends this, see there.

    Args:
        zs, zt: student and teacher logits, (B, K, H, W) or (B, K).
        target: (B, H, W) or (B,) labels.
        beta: (B, K, H, W), (B, K) or a number, which gives DKD.
        alpha: weight of TCLD.
        direction: `forward` is KL(T ‖ S) of Eq. 1-4, `reverse` KL(S ‖ T); for `eq9`.
        form: `eq9`, or `kl`: α·β_k·TCLD + (1 - p^T_k)·Σ_i β_i·(NCLD_i - t_i + s_i), s and t over
            the classes other than k. It is Eq. 2 with the weight of every logit: KL(T ‖ S) where
            all are 1, never negative, and least at p^S = p^T whatever they are.
        ignore_index: pixels with this label do not count.

    Raises:
        ValueError: shapes differ, fewer than two classes, a label outside [0, K).

    Note:
        Eq. 9 as printed is -KL(S ‖ T): unbounded below, it drives the student away from the
        teacher. Its sum over pixels is a mean here, the paper's λ_L being unknown.
    """
    valid = check_decoupled(zs, zt, target, ignore_index)
    check_form(form, direction)
    rule = functools.partial(_weighted_kl if form == "kl" else RULES[direction], alpha)
    if isinstance(beta, Tensor):
        if beta.shape != zs.shape:
            raise ValueError(
                f"beta must have the logits' shape {tuple(zs.shape)}, got {tuple(beta.shape)}."
            )
        return pixel_mean(rule, valid, zs, beta, zt.detach(), target)
    return pixel_mean(
        lambda s, t, k: rule(s, torch.full_like(s, beta), t, k), valid, zs, zt.detach(), target
    )


def check_form(form: str, direction: str) -> None:
    """Raise a ValueError unless the form exists in that direction."""
    if direction not in RULES:
        raise ValueError(f"direction must be 'forward' or 'reverse', got {direction!r}.")
    if form not in ("eq9", "kl") or (form, direction) == ("kl", "reverse"):
        raise ValueError(f"form must be 'eq9' or, forward, 'kl'; got {form!r}, {direction}.")


def _forward(
    alpha: float, z_s: Tensor, beta: Tensor, z_t: Tensor, k: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """α·TCLD + Σ_i β_i·NCLD_i with KL(T ‖ S), and its gradients by z_s and β."""
    s, t = decouple(z_s, k), decouple(z_t, k)
    ncld = t.log_rest.sub_(s.log_rest).mul_(t.rest)
    slope = alpha * (s.odds.sigmoid() - t.odds.sigmoid())
    loss = alpha * binary_kl(t.odds, s.odds).squeeze(0) + (beta * ncld).sum(dim=0)
    pull = t.rest.mul_(beta)
    gradient = s.rest.mul_(pull.sum(dim=0) - slope).sub_(pull)
    return loss, [gradient.scatter_(0, k.unsqueeze(0), slope), ncld]


def _reverse(
    alpha: float, z_s: Tensor, beta: Tensor, z_t: Tensor, k: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """The same with KL(S ‖ T)."""
    s, t = decouple(z_s, k), decouple(z_t, k)
    ratio = s.log_rest.sub_(t.log_rest)
    ncld = ratio * s.rest
    sure = s.odds.sigmoid()
    slope = alpha * sure * (1 - sure) * (s.odds - t.odds)
    loss = alpha * binary_kl(s.odds, t.odds).squeeze(0) + (beta * ncld).sum(dim=0)
    push = beta * (ratio + 1)
    gradient = s.rest * (push - (s.rest * push).sum(dim=0) - slope)
    return loss, [gradient.scatter_(0, k.unsqueeze(0), slope), ncld]


def _weighted_kl(
    alpha: float, z_s: Tensor, beta: Tensor, z_t: Tensor, k: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """`form="kl"`, and its gradients by z_s and β."""
    s, t = decouple(z_s, k), decouple(z_t, k)
    tcld = alpha * binary_kl(t.odds, s.odds)
    unsure = (-t.odds).sigmoid()
    ncld = unsure * (t.rest * (t.log_rest - s.log_rest) - t.rest + s.rest)
    ncld.scatter_(0, k.unsqueeze(0), tcld)
    slope = alpha * beta.gather(0, k.unsqueeze(0)) * (s.odds.sigmoid() - t.odds.sigmoid())
    pull = unsure * beta * (t.rest - s.rest)
    gradient = s.rest * (pull.sum(dim=0) - slope) - pull
    return (beta * ncld).sum(dim=0), [gradient.scatter_(0, k.unsqueeze(0), slope), ncld]


RULES: dict[str, Rule] = {"forward": _forward, "reverse": _reverse}


class DWLD(Method):
    """Distils logits with weights that follow what the student (or teacher) predicts.

    Args:
        weight: λ_L of Eq. 18.
        alpha: weight of target-class distillation.
        controller: where β comes from.
            `entropy`: β grows from 1 to 10 with the normalised entropy of Ω's network; nothing to
            train. `joint`: the paper's reading, an MLP trained by the minimised loss; it collapses
            (docs/paper.md). `frozen`: the same MLP as initialised. `budget`: the MLP is trained to
            raise the loss while the mean of β stays at `budget`; never through Ω of the student.
            `rarity`: a class that the teacher sees in less than 1/K of the batch has
            β = 1/(K · its share), up to 10; the batch is that of the process. A number: that β,
            which with `eq9` is DKD.
        omega: input of the MLP, `p`, `c` or `concat`.
        side: whose predictions Ω is made of.
        layers, hidden, dropout: of the MLP.
        budget: mean of β under `controller="budget"`.
        direction: `forward` or `reverse` KL divergence.
        form: `eq9` or `kl`, see `dwld_loss`.
        detach: keep the gradient of β from reaching the student through Ω.
    """

    kind = "logit"
    per_pixel = frozenset({"dwld"})
    presets = {"paper": {"controller": "joint", "form": "eq9", "weight": 0.02}}
    citation = """@article{guo2025lix,
  title   = {{LIX}: Implicitly Infusing Spatial Geometric Prior Knowledge into Visual Semantic
             Segmentation for Autonomous Driving},
  author  = {Guo, Sicen and Long, Ziwei and Wu, Zhiyuan and Chen, Qijun and Pitas, Ioannis and
             Fan, Rui},
  journal = {IEEE Transactions on Image Processing},
  year    = {2025}
}"""

    def __init__(
        self,
        pairs: Sequence[FeaturePair] = (),
        num_classes: int = 0,
        *,
        weight: float = 2.0,
        alpha: float = 1.0,
        controller: Literal["entropy", "joint", "frozen", "budget", "rarity"] | float = "rarity",
        omega: Omega = "concat",
        side: Side = "student",
        layers: int = 3,
        hidden: int = 32,
        dropout: float = 0.0,
        budget: float = 5.5,
        direction: Literal["forward", "reverse"] = "forward",
        form: Form = "kl",
        detach: bool = True,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight, self.alpha, self.direction, self.form = weight, alpha, direction, form
        check_form(form, direction)
        self.source, self.side, self.detach, self.budget = controller, side, detach, budget
        if not BETA_MIN < budget < BETA_MAX:
            raise ValueError(f"budget must be between {BETA_MIN:g} and {BETA_MAX:g}, got {budget}.")
        if side not in ("student", "teacher"):
            raise ValueError(f"side must be 'student' or 'teacher', got {side!r}.")
        self.controller: WeightController | None = None
        if controller in ("joint", "frozen", "budget"):
            self.controller = WeightController(
                num_classes, inputs=omega, layers=layers, hidden=hidden, dropout=dropout
            )
            self.controller.requires_grad_(controller != "frozen")
        elif controller not in ("entropy", "rarity") and not isinstance(controller, (int, float)):
            raise ValueError(
                "controller must be 'entropy', 'joint', 'frozen', 'budget', 'rarity' or a number, "
                f"got {controller!r}."
            )

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor) -> dict[str, Tensor]:
        valid = target != IGNORE_INDEX
        check_logits(student.logits, teacher.logits, valid)
        beta = self.beta(student.logits, teacher.logits, valid)
        loss = dwld_loss(
            student.logits,
            teacher.logits,
            target,
            beta,
            alpha=self.alpha,
            direction=self.direction,
            form=self.form,
        )
        if isinstance(beta, Tensor):
            same_for_all_classes = self.source == "entropy"
            shown = beta[:, :1] if same_for_all_classes else beta
            self.monitors = watch(shown.detach(), valid)
        return {"dwld": self.weight * loss}

    def beta(self, zs: Tensor, zt: Tensor, valid: Tensor) -> Tensor | float:
        """β of Eq. 7, (B, K, H, W), or the fixed number."""
        if isinstance(self.source, (int, float)):
            return float(self.source)
        if self.source == "rarity":
            return rarity(zt.detach(), valid).expand_as(zs)
        z = blank(zs if self.side == "student" else zt, valid)
        z = z.detach() if self.detach or self.source == "budget" else z
        if self.controller is None:
            share = confidence(z).unsqueeze(1) / math.log(z.shape[1])
            return (BETA_MIN + (BETA_MAX - BETA_MIN) * share).expand_as(z)
        with torch.autocast(z.device.type, enabled=False):
            scored = self.controller.scores(z.float() if z.dtype.itemsize < 4 else z)
        if self.source == "budget":
            return adversarial(scored, valid, self.budget)
        return in_range(scored)

    def diagnose(self, epoch_means: Mapping[str, float]) -> list[str]:
        if "beta_mean" not in epoch_means or self.source == "rarity":
            return []
        mean, std = epoch_means["beta_mean"], epoch_means["beta_std"]
        ends = f"[{BETA_MIN:g}, {BETA_MAX:g}]"
        said = []
        if std <= 0.01 * (BETA_MAX - BETA_MIN):
            said.append(
                f"the weight controller has collapsed: β is {mean:.2f} ± {std:.3f} everywhere in "
                f"{ends}, so DWLD has one weight for all logits; try controller='rarity'."
            )
        if epoch_means["beta_saturation"] > MOSTLY:
            share = 100 * epoch_means["beta_saturation"]
            said.append(
                f"β has saturated: {share:.0f} % of the weights lie at the ends of {ends}; "
                "try controller='rarity'."
            )
        return said
