"""DiffKD: a diffusion model denoises the student's map, then compares it (Huang et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.masks import MaskedBatchNorm2d, masked_avg_pool, mean_squared
from lix.methods.parts.precision import full_precision

TRAIN_STEPS = 1000
TIMESTEPS = (400, 300, 200, 100, 0)
"""Time steps of the five DDIM steps, from noise to signal."""


def schedule() -> Tensor:
    """(1001,) ᾱ of the time steps, the product of 1 - β, β growing linearly from 1e-4 to 0.02.

    The last is 1: no noise.
    """
    alphas = (1 - torch.linspace(1e-4, 0.02, TRAIN_STEPS)).cumprod(dim=0)
    return torch.cat([alphas, torch.ones(1)])


def shares(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of signal √ᾱ and noise √(1 - ᾱ)."""
    return alpha.sqrt(), (1 - alpha).sqrt()


def ddim_step(x: Tensor, noise: Tensor, now: Tensor, then: Tensor) -> Tensor:
    """One deterministic DDIM step (η = 0) from ᾱ = `now` to ᾱ = `then`."""
    (signal_now, noise_now), (signal_then, noise_then) = shares(now), shares(then)
    clean = (x - noise_now * noise) / signal_now
    return signal_then * clean + noise_then * noise


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with norms, added to their input."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        inner = channels // reduction
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(channels, inner, 1),
                nn.Conv2d(inner, inner, 3, padding=1),
                nn.Conv2d(inner, channels, 1),
            ]
        )
        self.norms = nn.ModuleList(
            [MaskedBatchNorm2d(inner), MaskedBatchNorm2d(inner), MaskedBatchNorm2d(channels)]
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, h, w) → the same."""
        f = x
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            f = norm(conv(F.relu(f) if i else f), mask)
        return x + f


class Denoiser(nn.Module):
    """Predicts the noise in a map, given the time step."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.time_embedding = nn.Embedding(1280, channels)
        self.blocks = nn.ModuleList([Bottleneck(channels, 4), Bottleneck(channels, 4)])
        self.conv = nn.Conv2d(channels, channels, 1)
        self.norm = MaskedBatchNorm2d(channels)

    def forward(self, x: Tensor, t: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, h, w) and time steps (B,) → (B, C, h, w)."""
        f = x + self.time_embedding(t)[:, :, None, None]
        for block in self.blocks:
            f = block(f, mask)
        normed: Tensor = self.norm(self.conv(f), mask)
        return normed


class NoiseAdapter(nn.Module):
    """Predicts γ, the share of the student's map that is not to be replaced by noise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = Bottleneck(channels, 8)
        self.pred = nn.Linear(channels, 2)

    def forward(self, f: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, h, w) → (B,)."""
        return self.pred(masked_avg_pool(self.block(f, mask), mask)).softmax(dim=1)[:, 0]


class Draws(NamedTuple):
    """The random numbers of one call."""

    start: Tensor
    """(B, D, h, w) noise mixed into the student's map."""
    noise: Tensor
    """(B, D, h, w) noise that the denoiser learns to predict."""
    timesteps: Tensor
    """(B,) in [0, 1000)."""

    @classmethod
    def of(cls, like: Tensor) -> Draws:
        """New draws for maps like this one."""
        t = torch.randint(0, TRAIN_STEPS, (len(like),), device=like.device)
        return cls(torch.randn_like(like), torch.randn_like(like), t)


class Diffusion(nn.Module):
    """Compares one student map with one teacher map in a space of D channels.

    Args:
        inputs: channels of the student's map.
        outputs: channels of the teacher's map.
        hidden: D, at least 8.
    """

    alphas: Tensor

    def __init__(self, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(outputs, hidden, 1)
        self.encoder_norm = MaskedBatchNorm2d(hidden)
        self.decoder = nn.Conv2d(hidden, outputs, 1)
        self.align = nn.Conv2d(inputs, hidden, 1)
        self.denoiser = Denoiser(hidden)
        self.adapter = NoiseAdapter(hidden)
        self.proj = nn.Conv2d(hidden, hidden, 1)
        self.proj_norm = MaskedBatchNorm2d(hidden)
        self.register_buffer("alphas", schedule(), persistent=False)

    @full_precision
    def forward(
        self, fs: Tensor, ft: Tensor, mask: Tensor | None = None, draws: Draws | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the distillation, diffusion and auto-encoder losses.

        Args:
            fs, ft: (B, C_S, h, w) and (B, C_T, h, w).
            mask: (B, h, w) that count; None: all.
            draws: the random numbers; None: new ones.

        The distillation loss teaches student, denoiser and adapter; the other two do
        not change the student.
        """
        f = self.align(fs)
        draws = draws or Draws.of(f)
        hidden = self.encoder_norm(self.encoder(ft), mask)
        restored = mean_squared(self.decoder(hidden), ft, mask)
        hidden = hidden.detach()
        refined = self.proj_norm(self.proj(self.denoise(f, draws.start, mask)), mask)
        signal, noise = shares(self.alphas[draws.timesteps].view(-1, 1, 1, 1))
        noisy = signal * hidden + noise * draws.noise
        predicted = self.denoiser(noisy, draws.timesteps, mask)
        diffusion = mean_squared(predicted, draws.noise, mask)
        return mean_squared(refined, hidden, mask), diffusion, restored

    def denoise(self, f: Tensor, noise: Tensor, mask: Tensor | None) -> Tensor:
        """Mix noise into the student's map and take it out again in five DDIM steps."""
        gamma = self.adapter(f, mask).view(-1, 1, 1, 1)
        x = gamma * f + (1 - gamma) * noise
        alphas = self.alphas.float()  # the official scheduler's roots are float32's
        for t in TIMESTEPS:
            steps = torch.full((len(f),), t, device=f.device)
            then = alphas[t - 100 if t else -1]
            x = ddim_step(x, self.denoiser(x, steps, mask), alphas[t], then)
        return x


class DiffKD(FeatureMethod):
    """Distils maps that a diffusion model, trained alongside on the teacher's, has denoised.

    Args:
        weight: factor of the distillation loss; the losses of denoiser
            and auto-encoder, which do not teach the student, have weight 1.
        hidden: channels D of the space of comparison; default: half the teacher's, from 8 to the
            official 1024.

    Source: Huang et al., NeurIPS 2023; hunto/image_classification_sota `losses/diffkd`. The start
    is γ·f_s + (1 - γ)·ε there, without roots.
    """

    default_pairs = "last"
    presets = {"official": {"weight": 1.0, "hidden": 1024}}
    citation = "huang2023knowledge"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 0.2,
        hidden: int | None = None,
    ) -> None:
        super().__init__(pairs, num_classes)
        if hidden is not None and hidden < 8:
            raise ValueError(f"hidden must be at least 8, got {hidden}.")
        self.weight = weight
        self.diffusions = nn.ModuleList(
            Diffusion(
                p.student.channels,
                p.teacher.channels,
                hidden or min(1024, max(8, p.teacher.channels // 2)),
            )
            for p in pairs
        )

    @property
    def terms(self) -> tuple[str, ...]:
        return "diffkd", "diffkd_diffusion", "diffkd_autoencoder"

    def pair_terms(self, maps: FeatureMaps) -> dict[str, Tensor]:
        kd, diffusion, restored = self.diffusions[maps.pair](maps.student, maps.teacher, maps.mask)
        return dict(zip(self.terms, (self.weight * kd, diffusion, restored), strict=True))
