"""The commands that write, and what they leave: the same after any disturbance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from lix.deploy.backend import open_student
from lix.runs.checkpoint import read_stored
from lix.runs.history import read_history

Places = Mapping[str, Path]
Words = tuple[object, ...]


class Command(NamedTuple):
    """A command, by where its files are and where it writes."""

    words: Callable[[Places, Path], Words]
    kills: int = 3
    """Number of kills at moments of its time."""
    from_share: float = 0.1
    """Share of the time after which kills begin; late for commands that write only at their end."""
    fills_disk: bool = True
    """Whether it is tried on a full disk too; `test_disk.py` does it with some."""


def _predict(source: str, *more: object) -> Callable[[Places, Path], Words]:
    return lambda at, out: ("predict", at["student"], at[source], "--output", out, *more)


def _export(name: str, *more: str) -> Callable[[Places, Path], Words]:
    return lambda at, out: ("export", at["student"], out / name, *(at.get(m, m) for m in more))


def _study(command: str, name: str) -> Callable[[Places, Path], Words]:
    return lambda at, out: (
        *("study", command, at["study"], "--runs", at["finished"], "--output", out / name),
    )


COMMANDS: dict[str, Command] = {
    "predict": Command(_predict("pictures")),
    "predict --tile": Command(_predict("pictures", "--confidence", "--tile", "32x32")),
    "predict a video": Command(_predict("video")),
    "export .onnx": Command(_export("s.onnx"), kills=1, from_share=0.9, fills_disk=False),
    "export .safetensors": Command(_export("s.safetensors")),
    "export --web": Command(
        lambda at, out: ("export", at["onnx"], "--web", out, "--runtime", at["runtime"])
    ),
    "export --int8": Command(_export("q.onnx", "--int8", "pictures"), kills=1, from_share=0.8),
    "streets": Command(
        lambda at, out: (
            *("data", "streets", out, "--images", 8, "--size", "64x160", "--workers", 2),
        )
    ),
    "data split": Command(lambda at, out: ("data", "split", at["streets"], out)),
    "data unpack": Command(lambda at, out: ("data", "unpack", at["mat"], out)),
    "data check": Command(lambda at, out: ("data", "check", at["streets"], "--output", out)),
    "data depth": Command(
        lambda at, out: (
            *("data", "depth", at["pairs"], "--left", "left/*.png", "--right", "right/*.png"),
            *("--output", out),
        )
    ),
    "data shard": Command(
        lambda at, out: ("data", "shard", at["pictures"], out, "--frames", 4), fills_disk=False
    ),
    "data select": Command(
        lambda at, out: (
            *("data", "select", at["pictures"], out, "--count", 3),
            *("--teacher", at["student"], "--student", at["student"]),
        ),
        kills=2,
        fills_disk=False,
    ),
    "eval": Command(lambda at, out: ("eval", at["student"], "--output", out / "scores.json")),
    "eval that fills a cache": Command(
        lambda at, out: (
            *("eval", at["student"], "--output", out / "scores.json"),
            *("--data.cache", out / "cache"),
        )
    ),
    "train that fills a cache": Command(
        lambda at, out: (
            *("train", "-r", at["recipe"], "--output", out, "--data.cache", out / "cache"),
            "--resume",
        )
    ),
    "study run": Command(
        lambda at, out: ("study", "run", at["study"], "--output", out, "--workers", 2)
    ),
    "study table": Command(_study("table", "tables")),
    "study figure": Command(_study("figure", "figures")),
    "study report": Command(_study("report", "report.html")),
    "report": Command(
        lambda at, out: (
            *("report", *sorted((at["finished"] / "runs").iterdir())),
            *("--output", out / "report.html"),
        ),
        kills=1,
    ),
}


def contents(folder: Path) -> dict[str, object]:
    """What the files below a folder say, without what names a time, a place or a process."""
    return {
        str(path.relative_to(folder)): content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not OF_A_RUN.fullmatch(path.name)
    }


WEIGHTS = (".safetensors", ".ckpt")
OF_A_RUN = re.compile(
    r"\.lock|log\.txt|identity\.json|recipe\.yaml|events\.out\..*"
    r"|curves\.png|pictures\.png"  # drawn when the result is written, so a kill may cost them
)


def content(path: Path) -> object:
    if path.suffix in WEIGHTS:  # the order of metadata is random, and seconds differ
        stored = read_stored(path)
        stored.verify(path)
        return stored.checksum
    if path.suffix == ".onnx":  # so is the order of its parts
        logits = open_student(path, device="cpu").logits(torch.full((1, 3, 32, 64), 0.5))
        return [round(value, 3) for value in logits.flatten().tolist()]
    if path.name == "history.csv":
        return sorted(row for row in read_history(path) if "seconds" not in row[1])
    if path.name == "result.json":
        return json.loads(path.read_text())["confusion"]
    if path.name == "check.html":
        return re.sub(r" in [0-9.]+ s \(\d+ images/s\)", "", path.read_text())
    return path.read_bytes()
