"""OFF-Net: a Transformer whose first stage sees RGB and X, and mixes them (Min et al., 2022)."""

from __future__ import annotations

from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from lix.core.types import FeatureSpec
from lix.networks.parts.base import FeatureTaps, SegNetwork
from lix.networks.parts.mlp_decoder import WIDTH, MLPDecoder, resize

STRIDES, HEADS, REDUCTIONS = (4, 8, 16, 32), (1, 2, 5, 8), (8, 4, 2, 1)
DROP_PATH = 0.1

Backbone = Literal["b0", "b1", "b2", "b3", "b4", "b5"]


class Variant(NamedTuple):
    """Size of a Mix Transformer."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]


WIDE = (64, 128, 320, 512)
VARIANTS = {
    "b0": Variant((32, 64, 160, 256), (2, 2, 2, 2)),
    "b1": Variant(WIDE, (2, 2, 2, 2)),
    "b2": Variant(WIDE, (3, 4, 6, 3)),
    "b3": Variant(WIDE, (3, 4, 18, 3)),
    "b4": Variant(WIDE, (3, 8, 27, 3)),
    "b5": Variant(WIDE, (3, 6, 40, 3)),
}


class Attention(nn.Module):
    """Self-attention whose keys and values come from a map reduced by a strided convolution."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.reduce = nn.Conv2d(width, width, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(width) if reduction > 1 else None

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, H·W, C) → the same."""
        reduced = tokens
        if self.reduce is not None and self.norm is not None:
            reduced = self.norm(_tokens(self.reduce(_map(tokens, height, width))))
        q = self._split(self.q(tokens))
        k, v = (self._split(part) for part in self.kv(reduced).chunk(2, dim=2))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        projected: Tensor = self.proj(mixed)
        return projected

    def _split(self, tokens: Tensor) -> Tensor:
        """(B, N, C) → (B, heads, N, C / heads)."""
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)


class MixFFN(nn.Module):
    """Two linear layers with a depth-wise 3x3 convolution between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.depthwise = nn.Conv2d(4 * width, 4 * width, 3, padding=1, groups=4 * width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, H·W, C) → the same."""
        hidden = _tokens(self.depthwise(_map(self.fc1(tokens), height, width)))
        mixed: Tensor = self.fc2(F.gelu(hidden))
        return mixed


class Block(nn.Module):
    """Attention and MixFFN, each normed before and added to its input."""

    def __init__(self, width: int, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention, self.ffn = Attention(width, heads, reduction), MixFFN(width)
        self.drop_path = StochasticDepth(drop_path, mode="row")

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, H·W, C) → the same."""
        tokens = tokens + self.drop_path(self.attention(self.norm1(tokens), height, width))
        return tokens + self.drop_path(self.ffn(self.norm2(tokens), height, width))


class Stage(nn.Module):
    """Overlapping patch embedding, blocks, norm: (B, C, H, W) → (B, C', H / s, W / s)."""

    def __init__(
        self, inputs: int, width: int, heads: int, reduction: int, drops: list[float]
    ) -> None:
        super().__init__()
        kernel, stride = (7, 4) if inputs == 3 else (3, 2)
        self.embed = nn.Conv2d(inputs, width, kernel, stride, padding=kernel // 2)
        self.embed_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, reduction, drop) for drop in drops)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, f: Tensor) -> Tensor:
        """Return the map of this stage."""
        f = self.embed(f)
        height, width = f.shape[-2:]
        tokens = self.embed_norm(_tokens(f))
        for block in self.blocks:
            tokens = block(tokens, height, width)
        return _map(self.norm(tokens), height, width)


class GatedExchange(nn.Module):
    """Mixes two maps: a + w ⊙ a and b + (1 - w) ⊙ b with w = sigmoid(Linear(a + b))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(width, width, 1)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of RGB and of X, (B, C, h, w) each."""
        w = self.linear(a + b).sigmoid()
        return a + w * a, b + (1 - w) * b


class OFFNet(SegNetwork):
    """OFF-Net for RGB and X (a teacher) or only RGB (a student, which is SegFormer).

    One first stage, with the same weights, sees RGB and X; a gate mixes its two maps, and a single
    stream goes on. Features `enc1`…`enc4` go to the decoder, where `enc1` is the gated RGB map;
    `enc1_sum` (teacher only) is what the second stage sees; `dec` is the decoder's map.

    Args:
        num_classes: K.
        x_channels: 3 for surface normals; 1 is repeated to 3, since the first stage is shared.
        backbone: size of the Mix Transformer, `b0` to `b5`; the authors use `b2`.

    Source: Min et al., ICRA 2022; chaytonmin/Off-Road-Freespace-Detection (commit db2e4049), read
    and written anew without its unused modules. 24,731,155 (teacher) and 24,726,995 (student)
    parameters for `b2` at 19 classes. The authors' logits have stride 4; here they are
    up-sampled to the input's size.
    """

    size_divisor = 32
    default_features = ("enc1", "enc2", "enc3", "enc4")
    smallest = {"backbone": "b0"}

    def __init__(self, num_classes: int, x_channels: int = 0, *, backbone: Backbone = "b2") -> None:
        super().__init__()
        if x_channels not in (0, 1, 3):
            raise ValueError(
                f"OFFNet takes X of 1 or 3 channels, like the RGB that it shares a stage with; "
                f"got {x_channels}."
            )
        self.num_classes, self.x_channels = num_classes, x_channels
        widths, depths = VARIANTS[backbone]
        drops = iter(np.linspace(0, DROP_PATH, sum(depths)).tolist())
        self.stages = nn.ModuleList(
            Stage(inputs, width, heads, reduction, list(islice(drops, depth)))
            for inputs, width, heads, reduction, depth in zip(
                (3, *widths[:-1]), widths, HEADS, REDUCTIONS, depths, strict=True
            )
        )
        self.exchange = GatedExchange(widths[0]) if x_channels else None
        self.decoder = MLPDecoder(widths, num_classes)
        self.feature_specs = _feature_specs(widths, with_x=x_channels > 0)

    def _forward(self, image: Tensor, x: Tensor | None, taps: FeatureTaps) -> Tensor:
        a = f = self.stages[0](image)
        if self.exchange is not None and x is not None:
            b = self.stages[0](x.expand(-1, 3, -1, -1))
            a, b = self.exchange(a, b)
            f = taps("enc1_sum", a + b)
        maps = [taps("enc1", a)]
        for level, stage in enumerate(self.stages[1:], start=2):
            f = taps(f"enc{level}", stage(f))
            maps.append(f)
        return resize(self.decoder(maps, taps), image.shape[-2:])


def _tokens(f: Tensor) -> Tensor:
    """(B, C, H, W) → (B, H·W, C)."""
    return f.flatten(2).transpose(1, 2)


def _map(tokens: Tensor, height: int, width: int) -> Tensor:
    """(B, H·W, C) → (B, C, H, W)."""
    return tokens.transpose(1, 2).unflatten(2, (height, width))


def _feature_specs(widths: tuple[int, ...], *, with_x: bool) -> dict[str, FeatureSpec]:
    levels = enumerate(zip(widths, STRIDES, strict=True), start=1)
    specs = {f"enc{i}": FeatureSpec(*level) for i, level in levels}
    if with_x:
        specs["enc1_sum"] = specs["enc1"]
    return specs | {"dec": FeatureSpec(WIDTH, STRIDES[0])}
