import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lix.deploy import export, formats, quantise
from lix.deploy.export import ExportReport, export_onnx
from lix.runs.checkpoint import NetworkSpec, checkpoint_file

PALETTE = ((128, 64, 128), (70, 70, 70), (107, 142, 35), (70, 130, 180), (0, 0, 142))

Photo = Callable[..., Path]


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("student") / "best.ckpt")


@pytest.fixture(scope="session")
def exported_report(student: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    """What exporting the student tells."""
    return export_onnx(student, tmp_path_factory.mktemp("exported") / "new/student.onnx")


@pytest.fixture(scope="session")
def exported(exported_report: ExportReport) -> Path:
    """The student as an ONNX file."""
    return exported_report.path


@pytest.fixture(scope="session")
def exports() -> dict[str, ExportReport]:
    """The ONNX files of `exported_once` by the content of their checkpoints."""
    return {}


@pytest.fixture
def exported_once(
    exports: dict[str, ExportReport],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Export each checkpoint once a session, for tests of what is done with the file."""

    def export_once(checkpoint: Path, output: Path) -> ExportReport:
        digest = sha256(checkpoint_file(checkpoint).read_bytes()).hexdigest()
        if digest not in exports:
            folder = tmp_path_factory.mktemp("once")
            exports[digest] = export_onnx(checkpoint, folder / "student.onnx")
        shutil.copy(exports[digest].path, output)
        return replace(exports[digest], path=output)

    for module in (export, formats, quantise):
        monkeypatch.setattr(module, "export_onnx", export_once)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "best.ckpt"
    return write_checkpoint(path, x_kind="depth", x_channels=1)


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """Write smooth random pixels to a path below the test's folder."""

    def write(name: str, height: int = 48, width: int = 64) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(len(name)).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
        return path

    return write


def write_checkpoint(path: Path, **changes: object) -> Path:
    """An untrained network, its weights enlarged so that all classes occur."""
    given = {
        "name": "mfnet",
        "classes": ("road", "building", "tree", "sky", "car"),
        "palette": PALETTE,
        "size": (48, 80),
    }
    spec = NetworkSpec(**{**given, **changes})
    torch.manual_seed(0)
    network = spec.build()
    weights = {f"network.{name}": 2 * value for name, value in network.state_dict().items()}
    torch.save({"lix": spec.as_dict(), "state_dict": weights}, path)
    return path
