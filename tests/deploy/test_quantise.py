"""Eight bits: what is written, what it costs, and what it needs."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from lix.data.sets.vkitti2 import VKITTI2
from lix.deploy import quantise as module
from lix.deploy.backend import open_student
from lix.deploy.quantise import QuantisationReport, quantise
from lix.evaluation.report import evaluate_checkpoint
from lix.runs.recipe import Recipe
from lix.runs.settings import Data, Training
from tests.cli.test_cli import lix
from tests.deploy.conftest import write_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("exported_once")]


@pytest.fixture(scope="module")
def run(streets, tmp_path_factory) -> Path:
    """A run folder whose data are on this disk."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "checkpoints").mkdir()
    data = VKITTI2(streets, split="val")
    facts = {"classes": data.classes, "palette": data.palette, "size": (32, 64)}
    write_checkpoint(folder / "checkpoints/best.ckpt", **facts)
    settings = Data(name="vkitti2", root=streets, size=(32, 64))
    Recipe(data=settings, training=Training(accelerator="cpu")).save(folder / "recipe.yaml")
    return folder


@pytest.fixture(scope="module")
def report(run, tmp_path_factory) -> QuantisationReport:
    return quantise(run, tmp_path_factory.mktemp("int8") / "new/student.onnx")


def test_file_computes_with_eight_bits(report, run):
    graph = onnx.load(report.path).graph
    assert list(report.path.parent.iterdir()) == [report.path]
    kinds = {node.op_type for node in graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= kinds
    stem, *weights = convolution_weights(graph)
    assert weights
    assert stem.data_type == onnx.TensorProto.FLOAT, "the layer that reads the image has 8 bits"
    assert all(w.data_type == onnx.TensorProto.INT8 for w in weights)
    scales = [w for w in graph.initializer if w.data_type == onnx.TensorProto.FLOAT and w.dims]
    assert max(w.dims[0] for w in scales) > 1, "weights are not scaled per channel"
    exported = (run / "checkpoints/best.ckpt").stat().st_size
    assert report.path.stat().st_size < 0.5 * exported


def convolution_weights(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """The weights of all convolutions as they are stored, in the order in which they compute."""
    stored = {w.name: w for w in graph.initializer}
    sources = {name: node.input[0] for node in graph.node for name in node.output}
    names = [node.input[1] for node in graph.node if node.op_type == "Conv"]
    return [stored[name] if name in stored else stored[sources[name]] for name in names]


def test_file_is_a_student(report, run, streets):
    actual, expected = open_student(report.path), open_student(run)
    assert actual.spec.classes == expected.spec.classes
    data = Data(name="vkitti2", root=streets, size=(48, 80))
    loader = module.evaluation_loader(data, VKITTI2(streets, split="val"), with_x=False)
    batch = next(iter(loader))["image"]
    with torch.inference_mode():
        scores = torch.stack([expected.logits(batch).flatten(), actual.logits(batch).flatten()])
    assert torch.corrcoef(scores)[0, 1] > 0.99
    props = onnx.load(report.path).metadata_props
    assert json.loads({p.key: p.value for p in props}["quantisation"]) == "int8"


def test_loss_of_miou_is_measured_on_the_validation_split(report, run, streets):
    data = Data(name="vkitti2", root=streets, size=(32, 64))
    assert report.before == pytest.approx(evaluate_checkpoint(run, data).mIoU)
    assert abs(report.after - report.before) < 0.02
    assert report.images == 16
    points = f"{100 * (report.after - report.before):+.2f} points"
    assert str(report).endswith(f"in PyTorch {100 * report.before:.2f} % ({points})")


def test_images_of_a_folder_calibrate(run, photo, tmp_path):
    for name in ("in/a.png", "in/b/c.jpg"):
        photo(name)
    calls = []
    report = quantise(
        run,
        tmp_path / "a.onnx",
        images=tmp_path / "in",
        progress=lambda *done: calls.append(done),
    )
    assert report.images == 2
    assert calls == [(1, 1)]


def test_calibration_sees_what_training_sees(run, streets, monkeypatch, tmp_path):
    batches = []
    original = module.write_int8
    monkeypatch.setattr(
        module, "write_int8", lambda *given: batches.extend(given[2]) or original(*given)
    )
    quantise(run, tmp_path / "a.onnx")
    data = Data(name="vkitti2", root=streets, size=(32, 64))
    loader = module.evaluation_loader(
        data, VKITTI2(streets, split="train"), with_x=False, batch_size=1
    )
    for batch, expected in zip(batches, loader, strict=True):
        assert np.allclose(batch, expected["image"].numpy(), atol=1e-6)


def test_loss_is_unknown_where_the_data_are_not(student, photo, tmp_path, capsys):
    photo("in/a.png")
    assert lix("export", student, tmp_path / "a.onnx", "--int8", tmp_path / "in") == 0
    message = " ".join(capsys.readouterr().out.split())
    assert "calibrated on 1 images; its loss of mIoU is unknown. The run's data" in message
    assert "recipe.yaml is missing" in message
    assert (tmp_path / "a.onnx").is_file()


def test_command_line_calibrates_on_the_training_images(run, tmp_path, capsys):
    assert lix("export", run, tmp_path / "a.onnx", "--int8") == 0
    assert "calibrated on 16 images; mIoU on the validation split" in capsys.readouterr().out


def test_nothing_to_calibrate_on_is_one_sentence(student, tmp_path, capsys):
    assert lix("export", student, tmp_path / "a.onnx", "--int8") == 1
    message = capsys.readouterr().err
    assert "recipe.yaml is missing" in message
    assert "Name a folder of RGB images to calibrate on, as in --int8 FOLDER" in message
    assert not list(tmp_path.iterdir())


def test_data_that_have_moved_are_one_sentence(run, tmp_path):
    moved = shutil.copytree(run, tmp_path / "run")
    recipe = (moved / "recipe.yaml").read_text()
    root = str(Recipe.load(moved / "recipe.yaml").data.root)
    (moved / "recipe.yaml").write_text(recipe.replace(root, "/nowhere"))
    with pytest.raises(ValueError, match=r"cannot be read: /nowhere .*--int8 FOLDER"):
        quantise(moved, tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("folder", "message"), [("none", "none is not a folder"), ("empty", "holds no image")]
)
def test_folder_that_does_not_calibrate_is_one_sentence(run, tmp_path, folder, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=message):
        quantise(run, tmp_path / "a.onnx", images=tmp_path / folder)
    assert not (tmp_path / "a.onnx").exists()


def test_failure_keeps_the_old_file(run, tmp_path, monkeypatch):
    (tmp_path / "a.onnx").write_text("old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "miou", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quantise(run, tmp_path / "a.onnx")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_teacher_second_folder_and_other_format_are_refused(teacher, run, tmp_path, capsys):
    assert lix("export", teacher, tmp_path / "a.onnx", "--int8", tmp_path) == 1
    assert "is a teacher" in capsys.readouterr().err
    assert lix("export", run, tmp_path / "a.onnx", "--int8", "a", "b") == 1
    assert "takes one folder" in capsys.readouterr().err
    for name in ("a.safetensors", "a.SAFETENSORS", "a.ckpt"):
        assert lix("export", run, tmp_path / name, "--int8") == 1
        assert "--int8 writes ONNX" in capsys.readouterr().err
