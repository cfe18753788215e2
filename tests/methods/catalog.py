"""Methods of the catalog, and outputs of networks to call them with."""

from __future__ import annotations

import torch
from torch import Tensor

from lix.core.registry import entries
from lix.methods import FeaturePair, Method, build_method
from lix.networks import FeatureSpec, SegOutput

K = 5
PAIRS = [
    FeaturePair(FeatureSpec(6, 2), FeatureSpec(8, 2)),
    FeaturePair(FeatureSpec(7, 4), FeatureSpec(7, 2)),
]
METHODS = sorted(entries("methods"))
SEES_LOGITS = [n for n in METHODS if entries("methods")[n].load().kind in ("logit", "both")]
DISTILLING = [name for name in METHODS if name != "none"]


def build(name: str) -> Method:
    torch.manual_seed(0)
    kind = entries("methods")[name].load().kind
    return build_method(name, PAIRS if kind in ("feature", "both") else [], K)


def outputs(seed: int = 0, scale: float = 1.0, dtype: torch.dtype = torch.float32):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return (scale * torch.randn(*shape, generator=g)).to(dtype).requires_grad_()

    student = SegOutput(draw(3, K, 12, 20), {"a": draw(3, 6, 6, 10), "b": draw(3, 7, 3, 5)})
    teacher = SegOutput(draw(3, K, 12, 20), {"a": draw(3, 8, 6, 10), "b": draw(3, 7, 6, 10)})
    target = torch.randint(0, K, (3, 12, 20), generator=g)
    target[:, :4] = 255
    return student, teacher, target


def total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack([term.float() for term in terms.values()]).sum()


def detached(out: SegOutput) -> tuple[Tensor, dict[str, Tensor]]:
    return out.logits.detach(), {k: v.detach() for k, v in out.features.items()}
