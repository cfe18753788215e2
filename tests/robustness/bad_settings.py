"""Bad words, settings, recipes and studies, generated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import yaml

from lix.core.registry import entries
from lix.runs.recipe import Recipe
from lix.runs.settings import Section
from tests.robustness.bad_inputs import DISTILL, TRAIN, Case, writes


def cases() -> Iterator[Case]:
    """All bad settings."""
    yield from _settings()
    yield from _methods()
    yield from _recipes()
    yield from _studies()
    yield from _words()


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
            spoil = writes("recipe.yaml", yaml.safe_dump({name: {key: [["nonsense"]]}}))
            yield Case(f"entry {name}.{key}", TRAIN, spoil)
            if get_args(inner.annotation) == () and inner.annotation in (int, float):
                yield Case(f"negative {flag}", (*TRAIN, flag, "-1"))


def _methods() -> Iterator[Case]:
    """Unknown methods, presets and options."""
    for name in entries("methods"):
        if name == "none":
            continue
        distil = (*DISTILL, "HOME/teacher", "--method", name)
        yield Case(f"option of {name}", (*distil, "--options.nonsense", 1))
        yield Case(f"preset of {name}", (*distil, "--preset", "nonsense"))
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
        yield Case(f"recipe {name}", TRAIN, writes("recipe.yaml", text))
    yield Case("recipe missing", ("train", "-r", "HOME/no.yaml"))
    yield Case("recipe a folder", ("train", "-r", "HOME"))
    yield Case(
        "recipe binary", TRAIN, lambda home: (home / "recipe.yaml").write_bytes(b"\xff\xfe\x9f")
    )


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
        spoil = writes("study.yaml", yaml.safe_dump(right | change))
        yield Case(
            f"study {name}", ("study", "run", "HOME/study.yaml", "--output", "HOME/new"), spoil
        )
    whole = writes("study.yaml", yaml.safe_dump(right))
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
