"""A student in each engine segments as it does in PyTorch; a new engine is tested so by itself."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lix.core.registry import entries
from lix.deploy.backend import backend, open_student
from lix.deploy.predict import predict

ENGINES = [name for name in entries("backends") if name != "torch"]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "openvino":
        pytest.importorskip("openvino")
    return request.param


@pytest.fixture
def written(engine: str, exported: Path, tmp_path: Path) -> Path:
    """The student as a file of the engine."""
    path = tmp_path / f"student{backend(engine).suffixes[0]}"
    backend(engine).from_onnx(exported, path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


@pytest.mark.parametrize("size", ["train", "native", (40, 60)])
def test_results_are_those_of_pytorch(student, engine, written, photo, tmp_path, size):
    source = photo("a.png", 37, 51)
    for checkpoint, name in ((student, "torch"), (written, engine)):
        predict(checkpoint, source, tmp_path / name, size=size, confidence=True)
    expected, actual = (pixels(tmp_path / name / "a_label.png") for name in ("torch", engine))
    assert len(np.unique(expected)) > 2
    assert (expected == actual).mean() > 0.999
    with (
        Image.open(tmp_path / engine / "a_label.png") as label,
        Image.open(tmp_path / "torch/a_label.png") as other,
    ):
        assert label.getpalette() == other.getpalette()
    expected, actual = (pixels(tmp_path / n / "a_confidence.png") for n in ("torch", engine))
    assert abs(expected.astype(int) - actual).max() <= 1


def test_metadata_give_back_the_spec(student, engine, written):
    expected, actual = open_student(student), open_student(written)
    for name in ("name", "classes", "palette", "size"):
        assert getattr(actual.spec, name) == getattr(expected.spec, name)
    assert actual.size_divisor == expected.size_divisor
    assert (expected.engine, actual.engine) == ("torch", engine)
