"""Commands that are killed at random moments: the same command then ends as an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lix.deploy.backend import open_student
from lix.runs.checkpoint import read_stored
from lix.study.plan import PROGRAM

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = 6


def run(words: tuple[object, ...], *, kill_after: float | None = None) -> float:
    """Run a command and return its seconds; kill it after some, if it has not ended by then."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, error = process.communicate(timeout=kill_after)
        assert process.returncode == 0, error.decode()[-500:]
    except subprocess.TimeoutExpired:
        os.kill(process.pid, random.Random(kill_after).choice((signal.SIGKILL, signal.SIGTERM)))
        process.communicate()
    return time.perf_counter() - started


def contents(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def content(path: Path) -> object:
    if path.suffix == ".safetensors":  # the order of its metadata is random
        return read_stored(path).checksum
    if path.suffix == ".onnx":  # so is the order of its parts
        logits = open_student(path, device="cpu").logits(torch.full((1, 3, 32, 64), 0.5))
        return [round(value, 3) for value in logits.flatten().tolist()]
    return path.read_bytes()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for i in range(60):
        pixels = draw.integers(0, 256, (120, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return folder


COMMANDS: dict[str, Callable[[dict[str, Path], Path], tuple[object, ...]]] = {
    "predict": lambda at, out: ("predict", at["student"], at["pictures"], "--output", out),
    "predict --tile": lambda at, out: (
        *("predict", at["student"], at["pictures"], "--output", out, "--confidence"),
        *("--tile", "64x64"),
    ),
    "export .onnx": lambda at, out: ("export", at["student"], out / "s.onnx"),
    "export .safetensors": lambda at, out: ("export", at["student"], out / "s.safetensors"),
    "streets": lambda at, out: (
        *("data", "streets", out, "--images", 40, "--size", "64x160", "--workers", 2),
    ),
    "eval": lambda at, out: ("eval", at["student"], "--output", out / "scores.json"),
    "data split": lambda at, out: ("data", "split", at["streets"], out),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_ends_as_an_undisturbed_one(
    name: str, student: Path, streets: Path, pictures: Path, tmp_path: Path
) -> None:
    places = {"student": student, "streets": streets, "pictures": pictures}
    command = COMMANDS[name]
    seconds = run(command(places, tmp_path / "undisturbed"))
    draw = random.Random(name)
    for _ in range(KILLS):
        run(command(places, tmp_path / "killed"), kill_after=seconds * draw.uniform(0.2, 1.0))
    run(command(places, tmp_path / "killed"))
    expected, found = contents(tmp_path / "undisturbed"), contents(tmp_path / "killed")
    left = {file for file in found if Path(file).name.startswith(".")}
    assert {file: found[file] for file in found.keys() - left} == expected


@pytest.mark.parametrize("command", ["predict", "train"])
def test_two_at_a_time_in_one_folder(
    command: str, student: Path, small_recipe: Path, pictures: Path, tmp_path: Path
) -> None:
    """Predictions share the work or do it twice; of two trainings the second is refused."""
    words = {
        "predict": ("predict", student, pictures, "--output", tmp_path / "out"),
        "train": ("train", "-r", small_recipe, "--output", tmp_path / "out"),
    }[command]
    both = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), *map(str, words)], stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert not any("Traceback" in error for error in errors)
    if command == "predict":
        assert codes == [0, 0]
        assert len(contents(tmp_path / "out")) == 120 + len(["legend.png", "classes.json"])
    else:
        assert codes == [0, 1]
        assert (tmp_path / "out/result.json").is_file()
