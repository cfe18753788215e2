"""Frames a second from files and from shards, and what a shard of many frames costs to open.

python benchmarks/shards.py
"""

from __future__ import annotations

import io
import tarfile
import tempfile
import time
from pathlib import Path

import torch

from lix.data import build_dataset
from lix.data.archives import reading_order
from lix.data.dataset import SegDataset
from lix.streets import StreetPlan, write_streets
from lix.tools.shard import shard
from lix.training.mixed import BUFFER, shuffle_groups

FRAMES, MANY = 200, 100_000


def read(data: SegDataset, order: list[int]) -> float:
    """Frames in a CPU second."""
    start = time.process_time()
    for index in order:
        data.read(data.ids[index], with_x=True)
    return len(order) / (time.process_time() - start)


def resident() -> float:
    """Megabytes of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1e3


def many(folder: Path) -> SegDataset:
    """A shard of many frames, which hold nothing to see."""
    with tarfile.open(folder / "d.tar", "w") as archive:
        for number in range(MANY):
            for suffix in (".rgb.jpg", ".x.png"):
                entry = tarfile.TarInfo(f"a/{number:06d}{suffix}")
                entry.size = 600
                archive.addfile(entry, io.BytesIO(bytes(600)))
    files = "files: {image: '*.tar/**/*.rgb.*', x: '*.tar/**/*.x.*'}\nx: {kind: depth}\n"
    (folder / "lix.yaml").write_text(files)
    memory, start = resident(), time.process_time()
    data = build_dataset("folder", folder, False)
    data.require_x()
    seconds = time.process_time() - start
    print(f"{MANY} frames opened in {seconds:.1f} CPU s, {resident() - memory:.0f} MB")
    return data


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        root, shards, large = (Path(place) / name for name in ("drive", "shards", "large"))
        write_streets(root, StreetPlan(FRAMES, (96, 320), 1, "town", 1), cameras=(0,))
        shard(root, shards, frames_per_shard=50)
        files = build_dataset("vkitti2", root, False, split="train")
        archives = build_dataset("folder", shards, False)
        groups = reading_order([archives.image_path(frame) for frame in archives.ids])
        for _ in range(2):  # the first pass fills the page cache
            one = read(files, torch.randperm(len(files)).tolist())
            other = read(archives, shuffle_groups(groups, BUFFER, torch.Generator()))
        print(f"frames in a CPU second: {one:.0f} from files, {other:.0f} from shards")
        sizes = [path.stat().st_size for path in root.rglob("*") if path.suffix in (".jpg", ".png")]
        labels = sum(path.stat().st_size for path in root.rglob("classgt_*"))
        whole = sum(path.stat().st_size for path in shards.glob("*.tar"))
        single = sum(sizes) - labels
        print(f"bytes a frame: {single / FRAMES:.0f} as files, {whole / FRAMES:.0f} in shards")
        large.mkdir()
        data, start = many(large), time.process_time()
        groups = reading_order([data.image_path(frame) for frame in data.ids])
        shuffle_groups(groups, BUFFER, torch.Generator())
        print(f"order of a pass over them: {time.process_time() - start:.1f} CPU s")


if __name__ == "__main__":
    main()
