"""Bad inputs of every kind, generated: what a user may give the command line by mistake."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
import yaml
from PIL import Image

from lix.core.registry import entries
from lix.runs.recipe import Recipe
from lix.runs.settings import Section

FRAMES = "Scene01/clone/frames"


@dataclass(frozen=True)
class Case:
    """A command that must fail; words in capitals are places of the sandbox."""

    name: str
    words: tuple[object, ...]
    spoil: Callable[[Path], object] = lambda home: None
    """Makes the bad file; gets the sandbox, in which `data`, `student`, `teacher` may be spoilt."""


TRAIN = ("train", "-r", "HOME/recipe.yaml", "--output", "HOME/new")
DISTILL = ("distill", "-r", "HOME/recipe.yaml", "--output", "HOME/new", "--teacher")


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _settings()
    yield from _methods()
    yield from _recipes()
    yield from _checkpoints()
    yield from _data()
    yield from _studies()
    yield from _words()
    yield from _sources()


def _settings() -> Iterator[Case]:
    """A wrong value for every setting of a recipe, as a flag and in a file."""
    for name, field in Recipe.model_fields.items():
        section = field.annotation
        if not (isinstance(section, type) and issubclass(section, Section)):
            continue
        for key, inner in section.model_fields.items():
            if inner.annotation is bool or "Path" in str(inner.annotation):
                continue
            flag = f"--{name}.{key}".replace("_", "-")
            if "dict" not in str(inner.annotation):
                yield Case(f"flag {flag}", (*TRAIN, flag, "nonsense"))
            spoil = _writes("recipe.yaml", yaml.safe_dump({name: {key: [["nonsense"]]}}))
            yield Case(f"entry {name}.{key}", TRAIN, spoil)
            if get_args(inner.annotation) == () and inner.annotation in (int, float):
                yield Case(f"negative {flag}", (*TRAIN, flag, "-1"))


def _methods() -> Iterator[Case]:
    """Unknown methods, presets and options."""
    for name in entries("methods"):
        if name == "none":
            continue
        taught = (*DISTILL, "HOME/teacher", "--method", name)
        yield Case(f"option of {name}", (*taught, "--options.nonsense", 1))
        yield Case(f"preset of {name}", (*taught, "--preset", "nonsense"))
    for value in ("kdd", "", "KD", "lix.methods", "../kd"):
        yield Case(f"method {value!r}", (*DISTILL, "HOME/teacher", "--method", value))
    for flag, value in (
        ("--options.temperature", 0),
        ("--options.temperature", "hot"),
        ("--options.weight", "heavy"),
        ("--features", "enc9"),
        ("--network.name", "resnet"),
        ("--network.options.head", "round"),
        ("--network.options.nonsense", 1),
        ("--data.name", "kiti"),
        ("--data.options.nonsense", 1),
        ("--data.x", "logg"),
        ("--data.size", "33 65"),
    ):
        words = (*DISTILL, "HOME/teacher", "--method", "kd", flag, *str(value).split())
        yield Case(f"{flag} {value}", words)
    yield Case("features of at", (*DISTILL, "HOME/teacher", "--method", "at", "--features", "enc9"))
    yield Case("no teacher", DISTILL[:-1])
    yield Case("student as teacher of none", (*DISTILL, "HOME/missing"))


def _recipes() -> Iterator[Case]:
    """Files that are no recipe."""
    for name, text in {
        "empty brackets": "[]",
        "a word": "recipe",
        "a number": "7",
        "unclosed": "data: {",
        "a tab": "data:\n\troot: x",
        "twice": "optim: {lr: }: 1",
        "unknown section": "optimiser: {lr: 1}",
        "unknown key": "optim: {learning_rate: 1}",
        "section is a list": "optim: [1]",
        "section is text": "optim: sgd",
        "an object": "!!python/object/apply:os.system ['false']",
        "a null byte": "\0",
    }.items():
        yield Case(f"recipe {name}", TRAIN, _writes("recipe.yaml", text))
    yield Case("recipe missing", ("train", "-r", "HOME/no.yaml"))
    yield Case("recipe a folder", ("train", "-r", "HOME"))
    yield Case(
        "recipe binary", TRAIN, lambda home: (home / "recipe.yaml").write_bytes(b"\xff\xfe\x9f")
    )


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
            yield Case(f"{split} list {name}", TRAIN, _writes(f"data/{split}.txt", text))
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


def _studies() -> Iterator[Case]:
    """Files that are no study."""
    right: dict[str, Any] = {
        "name": "study",
        "data": {"a": {"root": "HOME/data"}},
        "networks": {"mfnet": {}},
        "methods": ["none"],
    }
    for name, change in {
        "no data": {"data": None},
        "unknown method": {"methods": ["kdd"]},
        "unknown entry": {"sedes": [1]},
        "unknown option": {"methods": [{"method": "kd", "options": {"nonsense": 1}}]},
        "wrong settings": {"settings": {"optim": {"lr": -1}}},
        "no seeds": {"seeds": "many"},
        "last of nothing": {"average_last": 0},
        "missing base": {"base": "no.yaml"},
        "own base": {"base": "study.yaml"},
        "number as base": {"base": 5},
        "twice one label": {"methods": ["none", "none"]},
        "number as options": {"methods": [{"method": "lix", "options": {"dwld": 5}}]},
        "unknown class": {"cross": {"a": 3}},
        "unknown pictures": {"pictures": [{"kind": "all"}]},
        "unknown row": {"pictures": [{"kind": "worst", "methods": ["x"]}]},
    }.items():
        spoil = _writes("study.yaml", yaml.safe_dump(right | change))
        yield Case(
            f"study {name}", ("study", "run", "HOME/study.yaml", "--output", "HOME/new"), spoil
        )
    whole = _writes("study.yaml", yaml.safe_dump(right))
    for command in ("table", "figure", "report"):
        words = ("study", command, "HOME/study.yaml", "--runs", "HOME/new")
        yield Case(f"study {command} of nothing", words, whole)
        yield Case(f"study {command} missing", ("study", command, "HOME/no.yaml"))
    for shard in ("0/2", "3/2", "a/b", "1", "1/0", "-1/2"):
        words = ("study", "run", "HOME/study.yaml", "--shard", shard, "--output", "HOME/new")
        yield Case(f"shard {shard}", words, whole)


def _words() -> Iterator[Case]:
    """Commands and arguments that there are not."""
    for line in (
        "trian",
        "train --optim.learning-rate 1",
        "train --optim",
        "train --epochs 3",
        "train extra words",
        "distil --method kd",
        "list method",
        "list",
        "cite kdd",
        "cite none",
        "eval",
        "predict",
        "predict HOME/student",
        "export",
        "export HOME/student HOME",
        "export HOME/student HOME/new.onnx --int8 HOME/empty",
        "export HOME/student HOME/new.onnx --int8 HOME/nowhere",
        "predict HOME/nowhere.onnx HOME/data",
        "predict HOME/student HOME/data --engine tensorrt",
        "predict HOME/student HOME/data --threads 0",
        "bench",
        "bench HOME/nowhere",
        "bench HOME/nowhere.onnx",
        "bench HOME/teacher",
        "bench HOME/student --batch 0",
        "bench HOME/student --size 10",
        "bench HOME/student --engine onnxx",
        "data",
        "data stretes HOME/new",
        "data streets",
        "data streets HOME/new --size 10",
        "data streets HOME/new --size axb",
        "data streets HOME/new --size 8x8",
        "data streets HOME/new --images 0",
        "data streets HOME/new --images -3",
        "data streets HOME/new --images 3 --val-images 4",
        "data streets HOME/new --world moon",
        "data streets HOME/new --workers 0",
        "data streets HOME/data --seed 9",
        "data check HOME/nowhere",
        "data check HOME/empty",
        "data split HOME/nowhere",
        "data depth HOME/nowhere --engine sgbm",
        "data depth HOME/data --engine sgmb",
        "demo --images -1 --output HOME/new",
        "study",
        "study rnu HOME/study.yaml",
    ):
        if line not in ("data", "study"):  # these print their help
            yield Case(line, tuple(line.split()))


def _sources() -> Iterator[Case]:
    """What cannot be segmented."""
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


def _writes(name: str, text: str) -> Callable[[Path], object]:
    def write(home: Path) -> None:
        (home / name).write_text(text.replace("HOME", str(home)))

    return write
