"""PyTorch: run folders, checkpoints and .safetensors files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import save

from lix.core.files import atomic_write
from lix.deploy.backend import Backend
from lix.deploy.student import Student, load_student
from lix.networks.parts.base import SegNetwork
from lix.networks.parts.cost import macs, parameters
from lix.runs.checkpoint import CHECKSUM, KEY, PREFIX, NetworkSpec, checksum


class Torch(Backend):
    """Computes with PyTorch, and writes weights without code."""

    suffixes: ClassVar[tuple[str, ...]] = (".safetensors", ".ckpt")

    def open(
        self,
        path: Path,
        *,
        threads: int = 1,
        device: str | torch.device | None = None,
        provider: str | None = None,
    ) -> Student:
        return torch_student(*load_student(path), device)

    def write(self, checkpoint: Path, output: Path) -> str:
        """Write a student's weights and its `NetworkSpec`; `lix.load_network` reads them back.

        Returns:
            A sentence that says what was written.

        Raises:
            FileNotFoundError: no checkpoint.
            ValueError: a teacher's checkpoint or a damaged one.
            OSError: the output cannot be written.
        """
        network, spec = load_student(checkpoint)
        weights = {name: value.clone().contiguous() for name, value in network.state_dict().items()}
        facts, named = spec.as_dict(), {PREFIX + name: value for name, value in weights.items()}
        metadata = {KEY: json.dumps(facts), CHECKSUM: checksum(facts, named)}
        content = save(weights, metadata=metadata)
        with atomic_write(output) as part:
            part.write_bytes(content)
        return f"{output}: {len(weights)} tensors of {spec.name}, {len(spec.classes)} classes"

    def cost(self, path: Path, batch: int, height: int, width: int) -> tuple[int, int]:
        network, _ = load_student(path)
        return parameters(network), macs(network, height, width, batch)


def torch_student(
    network: SegNetwork, spec: NetworkSpec, device: str | torch.device | None = None
) -> Student:
    """A student that PyTorch computes.

    Args:
        network: a network that sees only RGB; put into eval mode and onto the device.
        spec: description of the network.
        device: such as `cuda:1`; default: the accelerator, else the CPU.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    where = torch.device(device or accelerator or "cpu")
    network = network.eval().to(where)
    return Student("torch", lambda batch: network(batch).logits, spec, network.size_divisor, where)
