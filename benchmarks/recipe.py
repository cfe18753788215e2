"""What a recipe costs: measured for one image on a CPU, reckoned for a GPU.

    .venv/bin/python benchmarks/recipe.py RECIPE CLASSES IMAGES [TFLOPS]

CLASSES and IMAGES are those of the training part. Measured: MACs of the forward pass, CPU seconds
of forward and backward on one thread, and the bytes that autograd keeps between the two. Reckoned:
a step is three forward passes of two floating-point operations per MAC, and the teacher's forward
pass for a student; hours at TFLOPS (default 20) sustained, without evaluation and reading; memory
is what autograd keeps for the batch, and weights, gradients and AdamW's two moments in 32 bits.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from lix.data.yaml_files import load_yaml
from lix.networks import build_network
from lix.networks.parts.base import SegNetwork
from lix.networks.parts.cost import macs, parameters
from lix.runs.recipe import Recipe


def measure(network: SegNetwork, size: tuple[int, int]) -> tuple[float, float]:
    """CPU seconds of a step with one image, and MB that autograd keeps for it."""
    image = torch.rand(1, 3, *size)
    x = torch.rand(1, network.x_channels, *size) if network.x_channels else None
    kept: dict[int, int] = {}
    weights = {w.untyped_storage().data_ptr() for w in network.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    start = time.process_time()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = network(image, x).logits
    logits.square().mean().backward()
    return time.process_time() - start, sum(kept.values()) / 1e6


def main(path: str, classes: str, images: str, tflops: str = "20") -> None:
    torch.set_num_threads(1)
    recipe = Recipe.model_validate(load_yaml(Path(path)))
    batch, size = recipe.optim.batch_size, recipe.augment.crop or recipe.data.size
    steps = recipe.training.epochs * (int(images) // batch)
    forward = 0.0
    for role, channels in (("teacher", 1), ("student", 0)):
        options = recipe.network.options
        network = build_network(recipe.network.name, int(classes), channels, **options)
        measure(network, size)
        seconds, kept = measure(network, size)
        work = macs(network, *size) / 1e9
        passes = 3 * work + (forward if role == "student" else 0)
        hours = 2e9 * passes * batch * steps / (float(tflops) * 1e12) / 3600
        gigabytes = (kept * batch + 16 * parameters(network) / 1e6) / 1000
        print(
            f"{role}: {parameters(network) / 1e6:.1f} M parameters, {work:.1f} GMACs, "
            f"{seconds:.2f} CPU s an image, {kept:.0f} MB kept an image; {steps} steps of {batch}: "
            f"{hours:.1f} h at {tflops} TFLOP/s, {gigabytes:.1f} GB"
        )
        forward = work


if __name__ == "__main__":
    main(*sys.argv[1:])
