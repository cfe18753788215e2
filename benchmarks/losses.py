"""Time and memory of every method's loss beside the plain way to write it (`textbook.py`).

    .venv/bin/python benchmarks/losses.py [METHOD ...]

Forward and backward pass on logits and MFNet's feature maps of 2 images of 192 x 624 (4 images for
RKD, which compares three or more), 19 classes, 5 % of the pixels ignored. CPU seconds of one
thread, the least of several runs in turn; the peak of memory above what the inputs take, in a
process of its own. Both ways must give the same value and gradients, or the benchmark stops.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import textbook
import torch
from torch import Tensor

from lix.core.registry import entries
from lix.methods import FeaturePair, build_method
from lix.networks import SegOutput, build_network

CLASSES, SIZE, SMALL = 19, (192, 624), (64, 112)
BATCH = {"rkd": 4}
COMPILED = ("dkd", "dwld")
REPEATS = 5


class Case:
    """A method with random inputs for it."""

    def __init__(self, name: str, size: tuple[int, int] = SIZE) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        nets = [build_network("mfnet", CLASSES, x_channels) for x_channels in (0, 1)]
        kind = entries("methods")[name].load()
        names: Sequence[str] = nets[0].default_features if kind.kind != "logit" else ()
        names = names[-1:] if kind.maps == "last" else names
        pairs = [FeaturePair(*(net.feature_specs[n] for net in nets)) for n in names]
        self.method = build_method(name, pairs, CLASSES)
        batch, (height, width) = BATCH.get(name, 2), size
        outputs = []
        for net in nets:
            maps = {}
            for n in names:
                channels, stride = net.feature_specs[n]
                maps[n] = torch.randn(batch, channels, height // stride, width // stride)
            outputs.append(SegOutput(3 * torch.randn(batch, CLASSES, height, width), maps))
        self.student, self.teacher = outputs
        self.maps = [self.student.logits, *self.student.features.values()]
        for m in self.maps:
            m.requires_grad_()
        ignored = torch.rand(batch, height, width) < 0.05 / 0.75
        ignored[:, ::2, ::2] = False  # so that every feature cell has a label
        self.target = torch.randint(0, CLASSES, (batch, height, width)).masked_fill(ignored, 255)
        plain = getattr(textbook, name)
        self.losses: dict[str, Callable[..., Tensor]] = {
            "ours": lambda method, *inputs: torch.stack(list(method(*inputs).values())).sum(),
            "textbook": plain,
        }
        if name in COMPILED:
            self.losses["torch.compile"] = torch.compile(plain)

    def forget(self) -> None:
        for leaf in (*self.maps, *self.method.parameters()):
            leaf.grad = None

    def step(self, version: str) -> Tensor:
        """Forward and backward pass; returns the loss."""
        self.forget()
        torch.manual_seed(1)
        loss = self.losses[version](self.method, self.student, self.teacher, self.target)
        loss.backward()
        return loss.detach()

    def result(self, version: str) -> tuple[Tensor, ...]:
        """Loss and gradients, those of the maps and those of the method's own parameters."""
        loss = self.step(version)
        groups = [self.maps, self.method.parameters()]
        grads = [[p.grad.flatten() for p in g if p.grad is not None] for g in groups]
        return loss, *(torch.cat([torch.zeros(1), *g]) for g in grads)


def check(name: str, version: str, found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Stop where a version's loss or gradients are not those of the textbook."""
    parts = ("loss", "gradient of the maps", "gradient of the parameters")
    for what, a, b in zip(parts, found, expected, strict=True):
        off = (a - b).norm() / b.norm().clamp(min=1e-12)
        if not off <= (1e-4 if what == "loss" else 1e-3):
            raise SystemExit(f"{name}: {what}, {version} and textbook differ by {off:.1e}.")


def seconds(name: str) -> dict[str, float | str]:
    """Least CPU seconds of each version, once they agree; why, where one cannot run."""
    case = Case(name)
    missing: dict[str, float | str] = {}
    if "torch.compile" in case.losses:
        try:
            case.step("torch.compile")
        except RuntimeError as error:
            missing["torch.compile"] = f"not available: {str(error).strip().splitlines()[0][:60]}"
    versions = [v for v in case.losses if v not in missing]
    expected = case.result("textbook")
    for version in versions:
        check(name, version, case.result(version), expected)
    best = dict.fromkeys(versions, float("inf"))
    for _ in range(REPEATS):
        for version, least in best.items():
            start = time.process_time()
            case.step(version)
            best[version] = min(least, time.process_time() - start)
    return best | missing


def megabytes(name: str, version: str) -> float:
    """Peak of memory above what the inputs take, as the kernel counts it, to about 0.3 MB."""
    case = Case(name)
    warm = case if version == "torch.compile" else Case(name, SMALL)
    warm.step(version)  # what is loaded or compiled at first use does not count
    warm.forget()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    case.step(version)
    return (status("VmHWM") - before) / 1024


def status(field: str) -> int:
    """KiB of a field of this process' status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def child(function: str, *arguments: str, **environment: str):
    """Call a function of this file in a new process."""
    call = f"import json, losses; print(json.dumps(losses.{function}(*{arguments!r})))"
    one = {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", call],
        cwd=Path(__file__).parent,
        env=os.environ | one | environment,
        stdout=subprocess.PIPE,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"{function} of {' '.join(arguments)} failed.")
    return json.loads(ended.stdout.splitlines()[-1])


def row(name: str, ours: Sequence[float], other: Sequence[float]) -> str:
    """A line of the table: seconds and megabytes of both and how they compare."""
    cells = [f"{name:15}"]
    for a, b, digits in zip(ours, other, (3, 1), strict=True):
        ratio = f"{a / b:7.2f}" if b else f"{'-':>7}"
        cells.append(f"{a:9.{digits}f}{b:13.{digits}f}{ratio}")
    return "".join(cells)


def main(names: Sequence[str]) -> None:
    heads = [f"{'ours ' + u:>9}{'textbook ' + u:>13}{'ratio':>7}" for u in ("s", "MB")]
    print(f"{'':15}{''.join(heads)}")
    for name in names or [n for n in entries("methods") if n != "none"]:
        took = child("seconds", name)
        used = {
            version: child("megabytes", name, version, MALLOC_MMAP_THRESHOLD_="100000")
            for version, s in took.items()
            if not isinstance(s, str)
        }
        ours = took.pop("ours"), used["ours"]
        for version, s in took.items():
            label = name if version == "textbook" else f"  {version}"
            if isinstance(s, str):
                print(f"{label:15}  {s}")
            else:
                print(row(label, ours, (s, used[version])), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
