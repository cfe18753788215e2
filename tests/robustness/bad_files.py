"""Bad checkpoints, data and pictures, generated."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from tests.robustness.bad_inputs import DISTILL, FRAMES, TRAIN, Case, writes


def cases() -> Iterator[Case]:
    """All bad files."""
    yield from _checkpoints()
    yield from _data()
    yield from _sources()


def _checkpoints() -> Iterator[Case]:
    """Truncated, foreign and missing checkpoints, for every command that reads one."""
    commands = {
        "eval": lambda path: ("eval", path),
        "predict": lambda path: (
            "predict",
            path,
            f"HOME/data/{FRAMES}/rgb",
            "--output",
            "HOME/new",
        ),
        "export": lambda path: ("export", path, "HOME/new.onnx"),
        "distill": lambda path: (*DISTILL, path, "--method", "kd"),
    }
    best = "checkpoints/best.ckpt"
    for command, words in commands.items():
        for share in (0.0, 0.1, 0.5, 0.9, 0.999):
            yield Case(f"{command} truncated at {share}", words("HOME/student"), _cuts(best, share))
        for kind, make in FOREIGN.items():
            yield Case(
                f"{command} {kind}",
                words("HOME/student/" + best),
                lambda home, make=make: make(home / "student" / best),
            )
        yield Case(f"{command} missing", words("HOME/no.ckpt"))
        yield Case(f"{command} empty folder", words("HOME/empty"))
    for command in ("predict", "export"):
        yield Case(f"{command} a teacher", commands[command]("HOME/teacher"))
    resume = ("train", "-r", "HOME/student/recipe.yaml", "--output", "HOME/student", "--resume")
    yield Case("resume from damaged checkpoints", resume, _all_damaged)
    for kind, make in FOREIGN.items():
        if kind != "another network":
            yield Case(f"resume from {kind}", resume, _all_foreign(make))


def _all_damaged(home: Path) -> None:
    (home / "student/result.json").unlink()
    for name in ("best", "last"):
        _cuts(f"checkpoints/{name}.ckpt", 0.5)(home)


def _all_foreign(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def spoil(home: Path) -> None:
        (home / "student/result.json").unlink()
        for name in ("best", "last"):
            make(home / f"student/checkpoints/{name}.ckpt")

    return spoil


def _cuts(name: str, share: float) -> Callable[[Path], object]:
    def cut(home: Path) -> None:
        path = home / "student" / name
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return cut


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "a")


class Evil:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("/tmp/lix-was-here"),)


def _foreign_network(path: Path) -> None:
    stored = torch.load(path, weights_only=True)
    stored["lix"]["name"] = "offnet"
    torch.save(stored, path)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("no checkpoint"),
    "pickle": lambda path: path.write_bytes(pickle.dumps({"state_dict": Evil()})),
    "torch pickle": lambda path: torch.save({"state_dict": Evil(), "lix": {}}, path),
    "tensors alone": lambda path: torch.save({"weight": torch.zeros(3)}, path),
    "zip": _zip,
    "no description": lambda path: torch.save({"state_dict": {}}, path),
    "wrong description": lambda path: torch.save({"state_dict": {}, "lix": {"name": 3}}, path),
    "another network": _foreign_network,
}


def _data() -> Iterator[Case]:
    """Damaged, missing and contradictory files of a data set."""
    rgb = f"data/{FRAMES}/rgb/Camera_0"
    label = f"data/{FRAMES}/classSegmentation/Camera_0"
    depth = f"data/{FRAMES}/depth/Camera_0"
    teacher = (*TRAIN, "--role", "teacher")
    for what, folder, words in (
        ("rgb", rgb, TRAIN),
        ("label", label, TRAIN),
        ("depth", depth, teacher),
    ):
        for how, spoil in {
            "missing": lambda path: path.unlink(),
            "empty": lambda path: path.write_bytes(b""),
            "cut": lambda path: path.write_bytes(path.read_bytes()[:60]),
            "text": lambda path: path.write_text("no picture"),
            "smaller": lambda path: Image.open(path).resize((20, 20), 0).save(path),
        }.items():
            yield Case(f"{what} {how}", words, _all_files(folder, spoil))
    paint = _all_files(label, lambda path: Image.new("RGB", (96, 48), (1, 2, 3)).save(path))
    yield Case("label of unknown colours", TRAIN, paint)
    grey = _all_files(depth, lambda path: Image.new("L", (96, 48), 9).save(path))
    yield Case("depth of eight bits", teacher, grey)
    for name, text in {
        "unknown": "Scene09/clone/Camera_0/00001\n",
        "empty": "",
        "odd": "a/b\n",
    }.items():
        for split in ("train", "val"):
            yield Case(f"{split} list {name}", TRAIN, writes(f"data/{split}.txt", text))
    yield Case("data missing", (*TRAIN, "--data.root", "HOME/nowhere"))
    yield Case("data a file", (*TRAIN, "--data.root", "HOME/recipe.yaml"))
    yield Case("data empty", (*TRAIN, "--data.root", "HOME/empty"))
    yield Case("batch too large", (*TRAIN, "--optim.batch-size", 1000))
    for name in ("kitti", "kitti_road", "cityscapes", "nuimages", "orfd", "mfnet_rgbt", "folder"):
        yield Case(f"data of another kind, {name}", (*TRAIN, "--data.name", name))


def _all_files(folder: str, spoil: Callable[[Path], object]) -> Callable[[Path], object]:
    def each(home: Path) -> None:
        for part in sorted(home.glob(folder.replace("clone", "*"))):
            for path in sorted(part.iterdir()):
                spoil(path)

    return each


def _sources() -> Iterator[Case]:
    """Images that cannot be segmented."""
    for name, make in {
        "missing": lambda path: None,
        "text": lambda path: path.write_text("no picture"),
        "empty": lambda path: path.write_bytes(b""),
        "cut": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0"),
    }.items():
        for suffix in (".png", ".jpg", ".mp4"):
            spoil = lambda home, make=make, suffix=suffix: make(home / f"source{suffix}")  # noqa: E731
            words = ("predict", "HOME/student", f"HOME/source{suffix}", "--output", "HOME/new")
            yield Case(f"source {name}{suffix}", words, spoil)
    yield Case("source empty folder", ("predict", "HOME/student", "HOME/empty"))
    images = f"HOME/data/{FRAMES}/rgb"
    for size in ("0x0", "10", "axb", "-5x5"):
        words = ("predict", "HOME/student", images, "--size", size, "--output", "HOME/new")
        yield Case(f"predict --size {size}", words)
    yield Case("predict into its source", ("predict", "HOME/student", images, "--output", images))
