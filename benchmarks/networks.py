"""Cost of each network, teacher and student: parameters, MACs, time, memory, ONNX Runtime.

    .venv/bin/python benchmarks/networks.py [NAME ...]

CPU seconds of one thread, the least of several runs, at batch 1 and 128 x 416; MB above what the
weights take. Each line has a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from lix.core.registry import entries
from lix.networks import build_network
from lix.networks.parts.base import SegNetwork
from lix.networks.parts.cost import macs, parameters

HEIGHT, WIDTH, CLASSES, REPEATS = 128, 416, 19, 3
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "sne_roadseg": [{"backbone": name} for name in ("resnet18", "resnet50", "resnet152")],
    "offnet": [{"backbone": "b0"}, {"backbone": "b2"}],
    "duplexnet": [{"decoder": "unetpp"}, {"decoder": "mlp"}],
}


def least_seconds(work: Callable[[], object]) -> float:
    work()
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def status(field: str) -> float:
    """MB of this process, as Linux counts them."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


class LogitsOnly(nn.Module):
    """One output, as an ONNX file of a teacher or a student has it."""

    def __init__(self, network: SegNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        return self.network(*given).logits


def onnx_seconds(network: SegNetwork, given: tuple[torch.Tensor, ...]) -> float:
    import onnxruntime

    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        path = Path(folder) / "network.onnx"
        names = ["image", "x"][: len(given)]
        torch.onnx.export(
            LogitsOnly(network).eval(), given, path, input_names=names, dynamo=True, verbose=False
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        fed = {name: part.numpy() for name, part in zip(names, given, strict=True)}
        return least_seconds(lambda: session.run(None, fed))


def measure(name: str, options: dict[str, Any], x_channels: int) -> dict[str, float]:
    torch.set_num_threads(1)
    network = build_network(name, CLASSES, x_channels, **options)
    image = torch.rand(1, 3, HEIGHT, WIDTH)
    x = torch.rand(1, x_channels, HEIGHT, WIDTH) if x_channels else None
    given = (image,) if x is None else (image, x)

    def forward() -> torch.Tensor:
        with torch.inference_mode():
            return network(image, x).logits

    def step() -> None:
        network(image, x).logits.square().mean().backward()
        network.zero_grad(set_to_none=True)

    network.eval()
    row = {
        "M params": parameters(network) / 1e6,
        "GMACs": macs(network, HEIGHT, WIDTH) / 1e9,
        "forward s": least_seconds(forward),
    }
    row["ONNX s"] = onnx_seconds(network, given)
    network.train()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    row["step s"] = least_seconds(step)
    row["step MB"] = status("VmHWM") - before
    return row


def main() -> None:
    wanted = sys.argv[1:] or list(entries("networks"))
    columns = ("M params", "GMACs", "forward s", "step s", "step MB", "ONNX s")
    print(f"{'network':32}" + "".join(f"{c:>11}" for c in columns))
    for name in wanted:
        for options in VARIANTS.get(name, [{}]):
            for x_channels in (1, 0):
                arguments = f"{name!r}, {options!r}, {x_channels}"
                call = f"import json, networks; print(json.dumps(networks.measure({arguments})))"
                ended = subprocess.run(
                    [sys.executable, "-c", call],
                    cwd=Path(__file__).parent,
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                row = json.loads(ended.stdout.splitlines()[-1])
                label = " ".join([name, *options.values(), "teacher" if x_channels else "student"])
                cells = (f"{row[c]:11.3f}" for c in columns)
                print(f"{label:32}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
