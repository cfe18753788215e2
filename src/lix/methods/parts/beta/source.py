"""The contract of the sources of β, its range, and what is watched of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from torch import Tensor, nn

from lix.methods.parts.masks import masked_mean, zero_outside

BETA_MIN, BETA_MAX = 1.0, 10.0
MAX_SATURATION = 0.9
"""Share of saturated weights above which a warning is given."""

Side = Literal["student", "teacher"]


class BetaSource(nn.Module):
    """Gives the weight of every logit."""

    def beta(self, zs: Tensor, zt: Tensor, valid: Tensor) -> Tensor | float:
        """The weights: (B, K, …), or one number for all logits.

        Args:
            zs, zt: (B, K, …) student and teacher logits.
            valid: (B, …), true where a pixel counts.
        """
        raise NotImplementedError

    def statistics(self, beta: Tensor | float, valid: Tensor) -> dict[str, Tensor]:
        """What is worth watching of `beta`, by name; nothing of a number."""
        return {} if isinstance(beta, float) else beta_statistics(beta.detach(), valid)

    def diagnose(self, epoch_means: Mapping[str, float]) -> dict[str, str]:
        """What has collapsed, judged by the statistics' means over an epoch: topic → a sentence."""
        return {}


class PredictionSource(BetaSource):
    """A source that looks at the predictions of one network.

    Args:
        side: whose predictions.
        detach: keep the gradient of β from reaching the student through them.
    """

    def __init__(self, side: Side, *, detach: bool) -> None:
        super().__init__()
        if side not in get_args(Side):
            raise ValueError(f"side must be 'student' or 'teacher', got {side!r}.")
        self.side, self.detach = side, detach

    def predictions(self, zs: Tensor, zt: Tensor, valid: Tensor) -> Tensor:
        """The logits that β is made of, 0 where pixels do not count."""
        z = zero_outside(zs if self.side == "student" else zt, valid)
        return z.detach() if self.detach else z

    def diagnose(self, epoch_means: Mapping[str, float]) -> dict[str, str]:
        if "beta_mean" not in epoch_means:
            return {}
        mean, std = epoch_means["beta_mean"], epoch_means["beta_std"]
        saturation = epoch_means["beta_saturation"]
        ends = f"[{BETA_MIN:g}, {BETA_MAX:g}]"
        collapses = {}
        if std <= 0.01 * (BETA_MAX - BETA_MIN):
            collapses["beta_collapsed"] = (
                f"the weight controller has collapsed: β is {mean:.2f} ± {std:.3f} everywhere in "
                f"{ends}, so DWLD has one weight for all logits; try controller='rarity'."
            )
        if saturation > MAX_SATURATION:
            collapses["beta_saturated"] = (
                f"β has saturated: {100 * saturation:.0f} % of the weights lie at the ends of "
                f"{ends}; try controller='rarity'."
            )
        return collapses


def in_range(scores: Tensor) -> Tensor:
    """Eq. 7 without the MLP: scores → weights between `BETA_MIN` and `BETA_MAX`."""
    return BETA_MIN + (BETA_MAX - BETA_MIN) * scores.sigmoid()


def beta_statistics(beta: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """Mean, spread and saturation (share within 1 % of the range's ends) of β (B, K, …)."""
    mean = masked_mean(beta.mean(dim=1), valid)
    variance = masked_mean((beta - mean).square().mean(dim=1), valid)
    margin = 0.01 * (BETA_MAX - BETA_MIN)
    at_end = (beta < BETA_MIN + margin) | (beta > BETA_MAX - margin)
    return {
        "beta_mean": mean,
        "beta_std": variance.sqrt(),
        "beta_saturation": masked_mean(at_end.float().mean(dim=1), valid),
    }
