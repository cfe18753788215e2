"""Parameters and MACs of a network; for `lix bench`, results and benchmarks."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lix.networks.parts.base import SegNetwork


def parameters(network: SegNetwork) -> int:
    """Number of parameters, trained or not."""
    return sum(p.numel() for p in network.parameters())


def macs(network: SegNetwork, height: int, width: int, batch: int = 1) -> int:
    """Multiply-accumulate operations of a forward pass, in convolutions and matrix products.

    >>> from lix import build_network
    >>> macs(build_network("mfnet", 19), 32, 32)
    21049344
    """
    device = next(network.parameters()).device
    image = torch.rand(batch, 3, height, width, device=device)
    x = None
    if network.x_channels:
        x = torch.rand(batch, network.x_channels, height, width, device=device)
    was_training = network.training
    network.eval()
    # The counter counts attention only where it is computed as matrix products.
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH), torch.inference_mode():
        network(image, x)
    network.train(was_training)
    return counter.get_total_flops() // 2
