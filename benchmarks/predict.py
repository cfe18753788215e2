"""Speed and memory of `lix predict` next to the bare network, in images a second.

    python benchmarks/predict.py [torch|onnx] [IMAGES]

MFNet with 14 classes at 384 x 1248; JPEGs of 375 x 1242 are generated. Reading, resizing, painting
and writing PNG files overlap with the network, so that with an idle second core `predict` should
reach 90 % of its speed. Bare network and predictions take turns, because other load disturbs. Where
no second core is idle, "a network asleep" tells what it would bring: one that takes as long without
using a core. Memory is the peak of a process of its own for 200 and for 1000 small images (96 x 320
at 32 x 96), and for generated videos of 10 s and 60 s (30 frames a second). Numbers with their
conditions: docs/your-data.md.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lix.deploy.backend import open_student
from lix.deploy.export import export_onnx
from lix.deploy.images import ImageSegmenter, find_tasks, segment_all
from lix.deploy.student import Segmenter
from lix.networks import build_network
from lix.runs.checkpoint import NetworkSpec

CLASSES, ROUNDS, RATE = 14, 3, 30


def main() -> None:
    engine, number = (sys.argv[1:] + ["torch", "8"][len(sys.argv) - 1 :])[:2]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large, small = folder / "large", folder / "small"
        write_student(folder / "large.ckpt", (384, 1248))
        write_student(folder / "small.ckpt", (32, 96))
        write_images(large, int(number), (375, 1242))
        compare(checkpoint_of(folder / "large.ckpt", engine), large, folder / "out")
        checkpoint = checkpoint_of(folder / "small.ckpt", engine)
        for count in (200, 1000):
            write_images(small, count, (96, 320))
            measure(checkpoint, small, folder / f"out{count}", f"{count} images")
        measure(checkpoint, small, folder / "out1000", "the same again")
        for seconds in (10, 60):
            write_video(folder / "a.mp4", seconds)
            measure(checkpoint, folder / "a.mp4", folder / "out", f"video of {seconds} s")


def checkpoint_of(checkpoint: Path, engine: str) -> Path:
    if engine == "torch":
        return checkpoint
    return export_onnx(checkpoint, checkpoint.with_suffix(".onnx")).path


def compare(checkpoint: Path, source: Path, output: Path) -> None:
    student = open_student(checkpoint)
    batch, tasks = torch.rand(1, 3, *student.spec.size), find_tasks(source, output)
    seconds = defaultdict(list)
    with torch.inference_mode():
        logits = student.logits(batch)
    for turn in range(ROUNDS):
        with clock(seconds["bare network"]), torch.inference_mode():
            for _ in tasks:
                student.logits(batch)
        each = min(seconds["bare network"]) / len(tasks)

        def asleep(_: Tensor, each: float = each) -> Tensor:
            time.sleep(each)
            return logits

        for name, network in (("predict", student.logits), ("asleep", asleep)):
            segmenter = Segmenter(replace(student, logits=network))
            images = ImageSegmenter(segmenter, ("overlay", "label"), 0.5, f"{name} {turn}")
            with clock(seconds[name]):
                assert not any(result.skipped for result in segment_all(images, tasks))
    bare = np.median(seconds["bare network"])
    print(f"{student.engine}: bare network {len(tasks) / bare:.2f} images/s")
    print(f"predict {len(tasks) / np.median(seconds['predict']):.2f} images/s")
    print(f"predict / bare network: {100 * bare / np.median(seconds['predict']):.0f} %")
    slept = min(seconds["bare network"]) / np.median(seconds["asleep"])
    print(f"the same with a network asleep: {100 * slept:.0f} %")


@contextmanager
def clock(seconds: list[float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - start)


def measure(checkpoint: Path, source: Path, output: Path, title: str) -> None:
    """Time and peak memory in a process of its own."""
    code = (
        "import sys, time; from pathlib import Path; from lix.deploy.predict import predict; "
        "start = time.perf_counter(); predict(*map(Path, sys.argv[1:])); "
        "seconds = time.perf_counter() - start; "
        "peak = [l for l in open('/proc/self/status') if l.startswith('VmHWM')][0].split()[1]; "
        "print(f'{seconds:.1f} s, peak {int(peak) / 1024:.0f} MB')"
    )
    command = [sys.executable, "-c", code, *map(str, (checkpoint, source, output))]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"{title}: {ended.stdout.strip()}", flush=True)


def write_student(path: Path, size: tuple[int, int]) -> None:
    names = tuple(f"class {i}" for i in range(CLASSES))
    spec = NetworkSpec("mfnet", names, tuple((i, 2 * i, 255 - i) for i in range(CLASSES)), size)
    torch.manual_seed(0)
    weights = build_network("mfnet", CLASSES).state_dict()
    torch.save(
        {"lix": spec.as_dict(), "state_dict": {f"network.{k}": v for k, v in weights.items()}}, path
    )


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (24, 80, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))
    noisy = smooth + generator.normal(0, 6, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def write_images(folder: Path, number: int, size: tuple[int, int]) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(number):
        if not (folder / f"{i:04}.jpg").exists():
            picture(i, size).save(folder / f"{i:04}.jpg", quality=90)


def write_video(path: Path, seconds: int) -> None:
    frames = [np.asarray(picture(i, (96, 320))) for i in range(RATE)]
    with av.open(path, "w") as writer:
        stream = writer.add_stream("libx264", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = 96, 320, "yuv420p"
        for i in range(seconds * RATE):
            frame = av.VideoFrame.from_ndarray(frames[i % RATE], format="rgb24")
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode())


if __name__ == "__main__":
    main()
