"""ARFD: feature maps recalibrated by a kernel and compared by their CKA (LIX, Eq. 12-17)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.methods.parts import fused
from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.masks import MaskedBatchNorm2d, zero_outside
from lix.methods.parts.precision import full_precision

Kernel = Literal["eq13", "laplace", "gaussian", "linear", "none"]
Consistency = Literal["cka", "cosine", "euclidean", "pearson", "position_cka"]
MONITORED_POSITIONS = 1024
"""About how many positions of a map its monitor looks at."""

TeacherSide = Literal["trained", "frozen", "identity"]
StudentSide = Literal["trained", "identity"]


@full_precision
def recalibrate(
    f: Tensor, *, kernel: Kernel = "eq13", sigma: float = 1.0, valid: Tensor | None = None
) -> Tensor:
    """Eq. 13-14: F_k = exp(-(F - mean)² / σ), element-wise, mean over channels and positions.

    Args:
        f: (B, C, …) features.
        kernel: `eq13` as printed; `laplace` exp(-|d|/σ); `gaussian` exp(-d²/(2σ²)); `linear`
            d/σ; `none` leaves the features as they are; d = F - mean.
        sigma: σ > 0; the paper does not give it.
        valid: (B, …), true where a position counts in the mean; None: all.

    Returns:
        (B, C, …).

    Raises:
        ValueError: unknown kernel, σ <= 0.

    Note:
        The paper calls Eq. 13 Laplace-based; its form is a Gaussian's, so each has its own name.
    """
    if sigma <= 0:
        raise ValueError(f"sigma must be positive, got {sigma}.")
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}.")
    if kernel == "none":
        return f
    return KERNELS[kernel](f - _mean(f, valid), sigma)


KERNELS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "eq13": lambda d, sigma: torch.exp(-d.square() / sigma),
    "laplace": lambda d, sigma: torch.exp(-d.abs() / sigma),
    "gaussian": lambda d, sigma: torch.exp(-d.square() / (2 * sigma**2)),
    "linear": lambda d, sigma: d / sigma,
    "none": lambda d, _: d,
}


def _mean(f: Tensor, valid: Tensor | None) -> Tensor:
    """Eq. 14: one mean per sample, (B, 1, …)."""
    axes = tuple(range(1, f.ndim))
    if valid is None:
        return f.mean(dim=axes, keepdim=True)
    mask = valid.unsqueeze(1).to(f.dtype)
    total = (f * mask).sum(dim=axes, keepdim=True)
    return total / (f.shape[1] * mask.sum(dim=axes, keepdim=True)).clamp(min=1)


@full_precision
def hsic(k: Tensor, l: Tensor) -> Tensor:  # noqa: E741 - K and L are the matrices' names
    """Eq. 15: HSIC(K, L) = tr(K H L H) / (C - 1)², H = I - 11ᵀ/C.

    Args:
        k, l: (B, C, C) symmetric Gram matrices.

    Returns:
        (B,).

    Note:
        Eq. 15 prints 2/C² where the biased estimator has 2/C. As printed nothing is centred:
        CKA of random features is about 0.999 and its gradient some 230 times smaller.
    """
    c = k.shape[-1]
    centred = k - k.mean(dim=-1, keepdim=True) - k.mean(dim=-2, keepdim=True)
    centred = centred + k.mean(dim=(-2, -1), keepdim=True)
    return (centred * l).sum(dim=(-2, -1)) / (c - 1) ** 2


@full_precision
def cka(x: Tensor, y: Tensor) -> Tensor:
    """Eq. 16: CKA = HSIC(XXᵀ, YYᵀ) / sqrt(HSIC(XXᵀ, XXᵀ) · HSIC(YYᵀ, YYᵀ)).

    Compares the C x C channel similarities of two maps. Centring the channels first gives the
    same value as centring the Gram matrices without subtracting large numbers, and normalising
    each before the product keeps float32 from under- and overflowing.

    Args:
        x, y: (B, C, N) with the same C.

    Returns:
        (B,) in [0, 1]; 0, with gradient 0, where all channels of x or of y are the same.

    Raises:
        ValueError: channel counts differ.

    >>> x = torch.eye(3).unsqueeze(0)
    >>> print(f"{cka(x, 5 * x + 1).item():.4f}")
    1.0000
    """
    if x.shape[:2] != y.shape[:2]:
        raise ValueError(
            f"cka compares maps of as many channels, got {tuple(x.shape)} and {tuple(y.shape)}."
        )
    return (_unit_gram(x) * _unit_gram(y)).sum(dim=1)


def _unit_gram(x: Tensor) -> Tensor:
    """(B, C²) centred Gram matrix of unit Frobenius norm."""
    return F.normalize(fused.centred_gram(x).flatten(1), dim=1, eps=1e-30)


@full_precision
def position_cka(x: Tensor, y: Tensor, valid: Tensor | None = None) -> Tensor:
    """Linear CKA of two maps with positions as examples; their channel counts may differ.

    Args:
        x: (B, C, N).
        y: (B, D, N).
        valid: (B, N), true where a position counts; None: all.

    Returns:
        (B,) in [0, 1].

    Source: Kornblith et al., ICML 2019.
    """
    x, y = (_centre_positions(f, valid) for f in (x, y))
    norms = [(f @ f.mT).flatten(1).norm(dim=1) for f in (x, y)]
    cross = (x @ y.mT).square().sum(dim=(1, 2))
    return cross / (norms[0] * norms[1]).clamp(min=1e-30)


def _centre_positions(f: Tensor, valid: Tensor | None) -> Tensor:
    if valid is None:
        return f - f.mean(dim=2, keepdim=True)
    count = valid.sum(dim=1)[:, None, None].clamp(min=1)
    f = zero_outside(f, valid)
    return zero_outside(f - f.sum(dim=2, keepdim=True) / count, valid)


def _raw_cka(fs: Tensor, ft: Tensor) -> Tensor:
    """CKA of one sample's raw maps (1, C, h, w) at about `MONITORED_POSITIONS` positions."""
    step = max(1, fs.shape[2] * fs.shape[3] // MONITORED_POSITIONS)
    return position_cka(*(f.flatten(2)[:, :, ::step] for f in (fs, ft)))[0]


CONSISTENCIES: dict[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "cka": lambda s, t, _: 1 - cka(s, t),
    "cosine": lambda s, t, _: 1 - F.cosine_similarity(s.flatten(1), t.flatten(1)),
    "euclidean": lambda s, t, _: (s - t).square().mean(dim=(1, 2)),
    "pearson": lambda s, t, _: 1 - F.cosine_similarity(_centre(s), _centre(t)),
    "position_cka": lambda s, t, valid: 1 - position_cka(s, t, valid),
}
"""Table V and `position_cka`: how far two recalibrated maps (B, C, N), 0 where `valid` (B, N) is
false, are apart; one value per sample."""


def _centre(f: Tensor) -> Tensor:
    flat = f.flatten(1)
    return flat - flat.mean(dim=1, keepdim=True)


class Adapter(nn.Module):
    """Eq. 12: F_a = ReLU(Norm(Conv3x3(F))), Norm being batch norm over the labelled positions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = MaskedBatchNorm2d(outputs)

    def forward(self, f: Tensor, mask: Tensor | None = None) -> Tensor:
        """Adapt (B, C, h, w) features; `mask` (B, h, w) is true where a position counts."""
        return F.relu(self.norm(self.conv(f), mask))


class ARFD(FeatureMethod):
    """Distils feature maps by the similarity pattern of their recalibrated channels.

    Args:
        weight: λ_F of Eq. 18.
        kernel, sigma: of `recalibrate`.
        consistency: `cka`, another measure of Table V, or `position_cka`.
        teacher_side: what happens to the teacher's maps. `trained`: a convolution trained with
            the student's, as Eq. 12 prints; both can then agree on a pattern that says nothing
            (docs/paper.md). `frozen`: the same convolution as initialised. `identity`: none.
        student_side: `trained`: Eq. 12. `identity`: the student's maps are compared as they are,
            which is cheaper, and no convolution can absorb the loss. Where the maps differ in
            width only `position_cka` compares them.

    Raises:
        ValueError: an unknown choice, or maps that cannot be compared.
    """

    presets = {"paper": {"teacher_side": "trained"}}
    citation = "guo2025lix"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 0.3,
        kernel: Kernel = "eq13",
        sigma: float = 1.0,
        consistency: Consistency = "cka",
        teacher_side: TeacherSide = "identity",
        student_side: StudentSide = "trained",
    ) -> None:
        super().__init__(pairs, num_classes)
        if consistency not in CONSISTENCIES:
            choices = ", ".join(CONSISTENCIES)
            raise ValueError(f"consistency must be one of {choices}, got {consistency!r}.")
        if teacher_side not in ("trained", "frozen", "identity"):
            raise ValueError(
                f"teacher_side must be 'trained', 'frozen' or 'identity', got {teacher_side!r}."
            )
        if student_side not in ("trained", "identity"):
            raise ValueError(f"student_side must be 'trained' or 'identity', got {student_side!r}.")
        widths = [(p.student.channels, p.teacher.channels) for p in pairs]
        differ = [f"{cs} and {ct}" for cs, ct in widths if cs != ct]
        if student_side == "identity" and consistency != "position_cka" and differ:
            raise ValueError(
                f"{consistency} cannot compare maps of {differ[0]} channels as they are; "
                "set consistency='position_cka' or student_side='trained'."
            )
        recalibrate(torch.zeros(1, 1, 1), kernel=kernel, sigma=sigma)
        self.weight, self.kernel, self.sigma = weight, kernel, sigma
        self.consistency = consistency
        self.student_side = nn.ModuleList(
            [] if student_side == "identity" else [Adapter(cs, ct) for cs, ct in widths]
        )
        self.teacher_side = nn.ModuleList(
            [] if teacher_side == "identity" else [Adapter(ct, ct) for _, ct in widths]
        )
        self.teacher_side.requires_grad_(teacher_side == "trained")

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        """1 - CKA, or another distance, of a pair of maps: mean over samples."""
        i, name, fs, ft, mask = maps
        sa = self.student_side[i](fs, mask) if self.student_side else fs
        ta = self.teacher_side[i](ft, mask) if self.teacher_side else ft
        sk, tk = self._recalibrated(sa, mask), self._recalibrated(ta, mask)
        valid = None if mask is None else mask.flatten(1)
        distances = CONSISTENCIES[self.consistency](sk, tk, valid)
        if sk.shape == tk.shape:
            same = 1 - distances[:1] if self.consistency == "cka" else cka(sk[:1], tk[:1])
            self.monitors[f"cka_{name}"] = same[0].detach()
        self.monitors[f"cka_raw_{name}"] = _raw_cka(fs[:1].detach(), ft[:1])
        return distances.mean()

    def _recalibrated(self, fa: Tensor, mask: Tensor | None) -> Tensor:
        """Eq. 13 on the adapted map, as (B, C, N), 0 at ignored positions."""
        fk = recalibrate(fa, kernel=self.kernel, sigma=self.sigma, valid=mask)
        return zero_outside(fk, mask).flatten(2)

    def diagnose(self, epoch_means: Mapping[str, float]) -> dict[str, str]:
        collapses = {}
        for monitor, raw in epoch_means.items():
            name = monitor.removeprefix("cka_raw_")
            value = epoch_means.get(f"cka_{name}", 0.0)
            if name != monitor and value >= 0.98 and raw <= 0.9:
                collapses[f"arfd_collapsed_{name}"] = (
                    f"ARFD has collapsed on {name}: CKA of the recalibrated maps is {value:.3f} "
                    f"while that of the raw maps is {raw:.3f}, so the adapters agree and the "
                    "student learns nothing; try teacher_side='identity'."
                )
        return collapses
