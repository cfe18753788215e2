"""The scripts of `examples/` and the notebook run, on few and small images."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import lix
from lix.data.sets.vkitti2 import VKITTI2

EXAMPLES = Path(__file__).parent.parent / "examples"
IS_CI = bool(os.environ.get("CI"))
SMALL = ("--size", "32", "64", "--epochs", "1")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for what examples write, and the path of a script that Python runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.fixture(scope="module")
def teacher(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {"data": {"root": streets, "size": (32, 64)}, "training": {"epochs": 1}}
    output = tmp_path_factory.mktemp("examples") / "teacher"
    return lix.train(settings, role="teacher", output=output, console=Console(quiet=True)).path


def run(name: str, *arguments: object) -> None:
    """Run a script as `python examples/NAME.py ARGUMENTS`."""
    script = EXAMPLES / f"{name}.py"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        runpy.run_path(str(script), run_name="__main__")


def printed(capsys: pytest.CaptureFixture[str]) -> list[float]:
    """The scores that a script prints."""
    return [float(score) for score in re.findall(r"mIoU'?:? (\d\.\d+)", capsys.readouterr().out)]


def test_own_data(streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = VKITTI2(streets, split="train")
    for kind in ("rgb", "depth", "label"):
        (tmp_path / "own" / kind).mkdir(parents=True)
    for number, frame in enumerate(dataset.ids):
        sample = dataset.read(frame, with_x=True)
        millimetres = (1000 * sample.x[0][0].nan_to_num(0)).numpy().astype(np.uint16)
        for kind, values in {
            "rgb": sample.image.permute(1, 2, 0).numpy(),
            "depth": millimetres,
            "label": sample.target.numpy().astype(np.uint8),
        }.items():
            Image.fromarray(values).save(tmp_path / "own" / kind / f"{number:03}.png")
    run("own_data", "own", *SMALL, "--classes", *dataset.classes)
    assert len(printed(capsys)) == 1
    for file in ("report.html", "overlay.png", "lix/result.json"):
        assert (tmp_path / "runs" / "own" / file).is_file()


def test_own_networks(streets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("own_networks", streets, *SMALL)
    assert len(printed(capsys)) == 2
    assert lix.load_network("runs/networks/unet")[0].x_channels == 1
    assert lix.load_network("runs/networks/segformer")[1].name == "own_networks:segformer"


def test_lightning_module(streets: Path, teacher: Path, tmp_path: Path) -> None:
    run("lightning_module", streets, teacher, "--epochs", 1)
    assert (tmp_path / "student.pt").is_file()


def test_hugging_face(streets: Path, teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("hugging_face", streets, teacher, "--epochs", 1)
    assert len(re.findall(r"eval_mIoU'?: '?0\.\d+", capsys.readouterr().out)) >= 1


def test_unlabelled_drives(streets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("unlabelled_drives", streets, streets, *SMALL)
    assert len(printed(capsys)) == 2
    drive = set(Path("runs/drives/drive/train.txt").read_text().split())
    assert not drive & set(VKITTI2(streets, split="val").ids), "tested frames teach nothing"


@pytest.fixture(scope="module")
def student(teacher: Path) -> Path:
    """An exported student."""
    output = teacher.with_name("student")
    run_ = lix.train(teacher / "recipe.yaml", role="student", output=output)
    return lix.export(run_.path, output / "student.onnx")


def test_deployment_needs_no_lix(
    streets: Path, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = next(streets.rglob("rgb_*.jpg"))
    run("deploy_onnx", student, picture, "labels.png")
    source = (EXAMPLES / "deploy_onnx.py").read_text(encoding="utf-8")
    assert not re.search(r"(import|from) (lix|torch)", source)
    shares = re.findall(r"(\S+) +(\d+\.\d) %", capsys.readouterr().out)
    assert sum(float(share) for _, share in shares) == pytest.approx(100, abs=1)
    predictor = lix.load_student(student)
    with Image.open("labels.png") as labels:
        ours = np.array(predictor.palette)[predictor.predict(picture).labels]
        assert (np.asarray(labels) == ours).all(axis=2).mean() > 0.9


@pytest.mark.skipif(not shutil.which("cmake") and not IS_CI, reason="needs cmake and libpng")
def test_cpp_gives_the_labels_of_predict(streets: Path, student: Path, tmp_path: Path) -> None:
    import openvino.utils

    where = f"-DOpenVINO_DIR={openvino.utils.get_cmake_path()}"
    for words in (["-S", EXAMPLES / "cpp", "-B", "build", where], ["--build", "build"]):
        done = subprocess.run(["cmake", *words], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    picture = tmp_path / "picture.png"
    Image.open(next(streets.rglob("rgb_*.jpg"))).resize((203, 101)).save(picture)
    segment = Path("build/segment").resolve()
    subprocess.run([segment, student, picture, "labels.png"], check=True)
    expected = lix.load_student(student).predict(picture).labels
    assert np.array_equal(np.asarray(Image.open("labels.png")), expected)
    words = [segment, student, student, "x.png"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Not a PNG file" in done.stderr


def test_examples_are_short() -> None:
    for script in EXAMPLES.glob("*.py"):
        assert len(script.read_text(encoding="utf-8").splitlines()) < 60, script.name
    assert len((EXAMPLES / "cpp/segment.cpp").read_text(encoding="utf-8").splitlines()) < 120
