"""Commands of lix in this process and in forks, and what they work on, each made once."""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from lix.cli.app import main
from lix.deploy.web import MODULE, SCRIPT, WASM
from lix.runs.recipe import Recipe
from lix.streets import StreetPlan, write_streets
from lix.training.fit import fit
from tests.robustness.commands import Places
from tests.robustness.forks import Forks
from tests.tools.mat_file import write_mat

Lix = Callable[..., tuple[int, str]]

SMALL: dict[str, Any] = {
    "data": {"size": [32, 64]},
    "optim": {"batch_size": 4, "lr": 0.02},
    "training": {"epochs": 2, "accelerator": "cpu"},
}


@contextmanager
def files_up_to(kilobytes: int | None) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if kilobytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def lix(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lix:
    """Run a command with files up to a size; it must end without traceback and connections."""
    hosts: list[object] = []
    resolve = socket.getaddrinfo

    def asked(host: Any, *how: Any, **more: Any) -> Any:
        hosts.append(host)
        return resolve(host, *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", asked)

    def run(*words: object, kilobytes: int | None = None) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lix", *map(str, words)])
        capsys.readouterr()
        code = 0
        with files_up_to(kilobytes):
            try:
                main()
            except SystemExit as leave:
                code = int(leave.code or 0)
        message = capsys.readouterr().err.strip()
        assert "Traceback" not in message
        assert not hosts
        return code, message.splitlines()[-1] if message else ""

    return run


@pytest.fixture(scope="session")
def small_recipe(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "data": {**SMALL["data"], "root": str(streets)}}))
    return path


@pytest.fixture(scope="session")
def student(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "student"
    return fit(Recipe.load(small_recipe).model_copy(update={"output": output}))


@pytest.fixture(scope="session")
def teacher(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "teacher"
    settings = Recipe.load(small_recipe)
    return fit(settings.model_copy(update={"output": output, "role": "teacher"}))


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    running = Forks()
    yield running
    running.close()


@pytest.fixture(scope="session")
def places(
    forks: Forks, small_recipe: Path, student: Path, tmp_path_factory: pytest.TempPathFactory
) -> Places:
    """Pictures, stereo pairs, a video, a study of one epoch of two frames, and its runs."""
    home = tmp_path_factory.mktemp("places")
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (12, 48, 64, 3), dtype=np.uint8)
    for i, picture in enumerate(pixels):
        for folder, shift in (("pictures", 0), ("pairs/left", 0), ("pairs/right", -4)):
            path = home / folder / f"{i:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.roll(picture, shift, axis=1)).save(path)
    _write_video(home / "video.mp4", pixels.repeat(4, axis=0))
    write_streets(home / "streets", StreetPlan(images=4, val_images=2, size=(32, 64)), cameras=(0,))
    data = {"root": str(home / "streets"), "size": [32, 64]}
    settings = {"optim": {"batch_size": 2}, "training": {"epochs": 1, "accelerator": "cpu"}}
    (home / "recipe.yaml").write_text(yaml.safe_dump(settings | {"data": data}))
    study = {"name": "s", "data": {"a": data}, "networks": {"mfnet": {}}, "methods": ["none", "kd"]}
    study |= {"seeds": [0], "average_last": 1, "settings": settings}
    (home / "study.yaml").write_text(yaml.safe_dump(study))
    done = forks("study", "run", home / "study.yaml", "--output", home / "finished")
    assert done.code == 0, done.error
    exported = forks("export", student, home / "student.onnx")
    assert exported.code == 0, exported.error
    (home / "runtime").mkdir()
    for name in (SCRIPT, MODULE, WASM):
        (home / "runtime" / name).write_text("/* made for a test */")
    write_mat(home / "nyu.mat")
    names = {
        "onnx": "student.onnx",
        "mat": "nyu.mat",
        "video": "video.mp4",
        "recipe": "recipe.yaml",
        "study": "study.yaml",
    }
    folders = {n: n for n in ("pictures", "pairs", "streets", "finished", "runtime")}
    return {"student": student} | {n: home / file for n, file in (names | folders).items()}


def _write_video(path: Path, frames: Any) -> None:
    import av

    with av.open(path, "w") as writer:
        stream: Any = writer.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            writer.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        writer.mux(stream.encode())
