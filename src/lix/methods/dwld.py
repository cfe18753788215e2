"""DWLD: decoupled logit distillation with a dynamic weight for every logit (LIX, Eq. 9-11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor

from lix.core.types import IGNORE_INDEX
from lix.methods.parts import fused
from lix.methods.parts.base import FeaturePair, LogitMethod
from lix.methods.parts.beta import Omega, Side, build_beta
from lix.methods.parts.checks import check_labels, check_logits
from lix.methods.parts.decoupling import binary_kl, decouple
from lix.methods.parts.masks import masked_mean, valid_mask, zero_outside
from lix.methods.parts.precision import full_precision

Direction = Literal["forward", "reverse"]
Form = Literal["eq9", "kl"]


@full_precision
def dwld_loss(
    zs: Tensor,
    zt: Tensor,
    target: Tensor,
    beta: Tensor | float,
    *,
    alpha: float = 1.0,
    direction: Direction = "forward",
    form: Form = "eq9",
    ignore_index: int = IGNORE_INDEX,
) -> Tensor:
    """Eq. 9: mean over pixels of α·TCLD + Σ_i β_i·NCLD_i.

    NCLD_i is the i-th summand of the KL divergence over the classes other than the labelled one.
    With weights that differ between classes it is not a divergence any more: it can be negative,
    and its minimiser is p^S ∝ β ⊙ p^T. `form="kl"` mends this, see there.

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
    check_logits(zs, zt, target)
    check_form(form, direction)
    valid = check_labels(target, zs.shape[1], ignore_index)
    beta = check_beta(beta, zs)
    zs, zt, beta = (zero_outside(m, valid) for m in (zs, zt.detach(), beta))
    k = target.where(valid, 0).long()
    s, t = decouple(zs, k, dim=1), decouple(zt, k, dim=1)
    if direction == "reverse":
        s, t = t, s
    tcld = alpha * binary_kl(t.target_logit, s.target_logit)
    ncld = t.nontarget * (t.log_nontarget - s.log_nontarget)
    if form == "kl":
        tcld = beta.gather(1, k.unsqueeze(1)) * tcld
        ncld = (-t.target_logit).sigmoid() * (ncld - t.nontarget + s.nontarget)
    loss = tcld.squeeze(1) + (beta * ncld).sum(dim=1)
    return masked_mean(loss, valid)


def check_form(form: str, direction: str) -> None:
    """Raise a ValueError unless the form exists in that direction."""
    if direction not in ("forward", "reverse"):
        raise ValueError(f"direction must be 'forward' or 'reverse', got {direction!r}.")
    if form not in ("eq9", "kl") or (form, direction) == ("kl", "reverse"):
        raise ValueError(f"form must be 'eq9' or, forward, 'kl'; got {form!r}, {direction}.")


def check_beta(beta: Tensor | float, zs: Tensor) -> Tensor:
    """β of the logits' shape; raise a ValueError where it has another."""
    if not isinstance(beta, Tensor):
        return zs.new_full((), beta).expand_as(zs)
    if beta.shape != zs.shape:
        raise ValueError(
            f"beta must have the logits' shape {tuple(zs.shape)}, got {tuple(beta.shape)}."
        )
    return beta


class DWLD(LogitMethod):
    """Distils logits with weights that follow what the student (or teacher) predicts.

    Args:
        weight: λ_L of Eq. 18.
        alpha: weight of target-class distillation.
        controller: where β comes from (`lix.methods.parts.beta`).
            `rarity`: a class that the teacher sees in less than 1/K of the batch has
            β = 1/(K · its share), up to 10; the batch is that of all processes.
            `entropy`: β grows from 1 to 10 with the normalised entropy of the predictions of
            `side`; nothing to train.
            `joint`: the paper's reading, an MLP trained by the minimised loss; it collapses
            (docs/paper.md). `frozen`: the same MLP as initialised.
            `budget`: the MLP is trained to raise the loss while the mean of β stays at `budget`.
            A number: that β, which with `eq9` is DKD.
        omega: input of the MLP, `p`, `c` or `concat`.
        side: whose predictions β is made of.
        layers, hidden, dropout: depth, width and dropout rate of the MLP.
        budget: mean of β under `controller="budget"`.
        direction: `forward` or `reverse` KL divergence.
        form: `eq9` or `kl`, see `dwld_loss`.
        detach: keep the gradient of β from reaching the student through Ω.
    """

    citation = "guo2025lix"
    per_pixel = True
    presets = {"paper": {"controller": "joint", "form": "eq9", "weight": 0.02}}

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
        direction: Direction = "forward",
        form: Form = "kl",
        detach: bool = True,
    ) -> None:
        super().__init__(pairs, num_classes)
        check_form(form, direction)
        self.weight, self.alpha, self.direction, self.form = weight, alpha, direction, form
        self.controller = build_beta(
            controller,
            num_classes,
            omega=omega,
            side=side,
            layers=layers,
            hidden=hidden,
            dropout=dropout,
            budget=budget,
            detach=detach,
        )

    def logit_loss(self, zs: Tensor, zt: Tensor, target: Tensor) -> Tensor:
        valid = valid_mask(target)
        beta = self.controller.beta(zs, zt, valid)
        self.monitors = self.controller.statistics(beta, valid)
        return fused.dwld_loss(
            zs, zt, target, beta, alpha=self.alpha, direction=self.direction, form=self.form
        )

    def diagnose(self, epoch_means: Mapping[str, float]) -> dict[str, str]:
        return self.controller.diagnose(epoch_means)
