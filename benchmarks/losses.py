"""Time and memory of every method's loss, next to its definition or another checkout of lix.

    .venv/bin/python benchmarks/losses.py [METHOD ...] [--against CHECKOUT]

Forward and backward pass on logits and MFNet's feature maps of 2 images of 192 x 624 (4 images for
RKD, which compares three or more), 19 classes, 5 % of the pixels ignored. CPU seconds of one
thread, the least of several runs; the peak of memory above what the inputs take. Every measurement
is a process of its own, and both sides take turns.

Without `--against` the losses with a fused twin are measured next to their definition and
`torch.compile` of that. With it (a checkout of an older commit, for example of `git
worktree add`) all losses are measured next to those of that checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lix import methods
from lix.core.registry import entries
from lix.methods import FeaturePair, build_method
from lix.networks import SegOutput, build_network

CLASSES, SIZE, SMALL = 19, (192, 624), (64, 112)
BATCH = {"rkd": 4}
REPEATS, TURNS = 5, 3
FUSED = ("kd", "cwkd", "dkd", "wsld", "dwld")


class Case:
    """A method with random inputs for it."""

    def __init__(self, name: str, size: tuple[int, int] = SIZE) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        nets = [build_network("mfnet", CLASSES, x_channels) for x_channels in (0, 1)]
        kind = entries("methods")[name].load()
        names: Sequence[str] = nets[0].default_features if kind.kind != "logit" else ()
        only_last = getattr(kind, "default_pairs", getattr(kind, "maps", "all")) == "last"
        names = names[-1:] if only_last else names
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
        ignored[:, ::2, ::2] = False  # so that every feature position has a label
        self.target = torch.randint(0, CLASSES, (batch, height, width)).masked_fill(ignored, 255)

    def loss(self, version: str) -> Callable[[], Tensor]:
        """The loss as trained, as defined, or the compiled definition."""
        if version == "trained":
            return lambda: torch.stack(
                list(self.method(self.student, self.teacher, self.target).values())
            ).sum()
        defined = definition(self.method)
        function = torch.compile(defined) if version == "compiled" else defined
        return lambda: function(self.student.logits, self.teacher.logits, self.target)

    def step(self, loss: Callable[[], Tensor]) -> None:
        for leaf in (*self.maps, *self.method.parameters()):
            leaf.grad = None
        torch.manual_seed(1)
        loss().backward()


def definition(method: methods.Method) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A logit method's loss by its definition, of student and teacher logits and target."""
    m = method
    if isinstance(m, methods.KD):
        return lambda s, t, y: methods.kd_loss(s, t, temperature=m.temperature, valid=y != 255)
    if isinstance(m, methods.CWKD):
        return lambda s, t, y: methods.cwkd_loss(s, t, temperature=m.temperature, valid=y != 255)
    if isinstance(m, methods.WSLD):
        return lambda s, t, y: methods.wsld_loss(s, t, y, temperature=m.temperature)
    if isinstance(m, methods.DKD):
        return lambda s, t, y: methods.dkd_loss(s, t, y, alpha=m.alpha, beta=m.beta)
    if isinstance(m, methods.DWLD):
        return lambda s, t, y: methods.dwld_loss(
            s, t, y, m.controller.beta(s, t, y != 255), alpha=m.alpha, form=m.form
        )
    raise TypeError(f"{type(m).__name__} has no definition apart from what is trained.")


def seconds(name: str, version: str) -> float:
    """Least CPU seconds of a step."""
    case = Case(name)
    loss = case.loss(version)
    case.step(loss)
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        case.step(loss)
        times.append(time.process_time() - start)
    return min(times)


def megabytes(name: str, version: str) -> float:
    """Peak of memory above what the inputs take, as the kernel counts it, to about 0.3 MB."""
    case = Case(name)
    loss = case.loss(version)
    warm = case if version == "compiled" else Case(name, SMALL)
    # What is loaded or compiled at first use does not count.
    warm.step(loss if warm is case else warm.loss(version))
    for leaf in warm.maps:
        leaf.grad = None
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    case.step(loss)
    return (status("VmHWM") - before) / 1024


def status(field: str) -> int:
    """KiB of a field of this process' status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def measure(function: str, name: str, version: str, checkout: Path) -> float:
    """Call a function of this file in a new process, with the lix of a checkout."""
    call = f"import json, losses; print(json.dumps(losses.{function}({name!r}, {version!r})))"
    environment = {
        "OMP_NUM_THREADS": "1",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "PYTHONPATH": f"{checkout / 'src'}",
    }
    if function == "megabytes":
        environment["MALLOC_MMAP_THRESHOLD_"] = "100000"
    ended = subprocess.run(
        [sys.executable, "-c", call],
        cwd=Path(__file__).parent,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"{function} of {name}, {version}, failed.")
    return float(json.loads(ended.stdout.splitlines()[-1]))


def compare(name: str, label: str, other: tuple[str, Path], here: Path) -> str:
    """A line of the table: seconds and megabytes of both sides and their ratio."""
    sides = [("trained", here), other]
    cells = [f"{label:16}"]
    for function, digits, turns in (("seconds", 3, TURNS), ("megabytes", 1, 1)):
        rounds = [[measure(function, name, *side) for side in sides] for _ in range(turns)]
        a, b = (min(values) for values in zip(*rounds, strict=True))
        cells.append(f"{a:10.{digits}f}{b:10.{digits}f}{a / b if b else float('nan'):7.2f}")
    return "".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("methods", nargs="*", help="names; default: all that can be compared")
    parser.add_argument("--against", type=Path, help="another checkout of lix")
    chosen, here = parser.parse_args(), Path(__file__).parents[1]
    heads = [f"{'ours ' + u:>10}{'other ' + u:>10}{'ratio':>7}" for u in ("s", "MB")]
    print(f"{'':16}{''.join(heads)}")
    if chosen.against:
        for name in chosen.methods or [n for n in entries("methods") if n != "none"]:
            print(compare(name, name, ("trained", chosen.against.resolve()), here), flush=True)
        return
    for name in chosen.methods or FUSED:
        print(compare(name, name, ("defined", here), here), flush=True)
        print(compare(name, "  compiled", ("compiled", here), here), flush=True)


if __name__ == "__main__":
    main()
