import json
import sys
from types import MappingProxyType

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import lix
from lix.deploy import export
from lix.deploy.export import ExportReport
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import load_network

pytestmark = pytest.mark.slow


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_report_says_how_close_it_is(exported_report):
    assert exported_report.scale > 0
    assert exported_report.difference <= 1e-4 * exported_report.scale
    assert exported_report.agreement > 0.999
    assert len(set(exported_report.shapes)) >= 4
    assert (1, 48, 80) in exported_report.shapes
    assert f"opset {exported_report.opset}" in str(exported_report)


@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 96, 160), (5, 64, 32), (1, 208, 48)])
def test_any_batch_height_and_width_runs(exported_report, student, shape):
    image = torch.rand(shape[0], 3, *shape[1:])
    logits = session(exported_report.path).run(None, {"image": image.numpy()})[0]
    with torch.inference_mode():
        expected = load_network(student)[0](image).logits.numpy()
    assert np.allclose(logits, expected, atol=1e-4 * abs(expected).max())


def test_one_input_and_one_output_with_named_dynamic_sizes(exported_report):
    model = session(exported_report.path)
    (image,), (logits,) = model.get_inputs(), model.get_outputs()
    assert (image.name, image.type, image.shape[1]) == ("image", "tensor(float)", 3)
    assert (logits.name, logits.type, logits.shape[1]) == ("logits", "tensor(float)", 5)
    assert image.shape[2:] == logits.shape[2:] == ["16*h", "16*w"]
    assert image.shape[0] == logits.shape[0] == "batch"


def test_metadata_describe_the_student(exported_report, student):
    spec = load_network(student)[1]
    stored = session(exported_report.path).get_modelmeta().custom_metadata_map
    facts = {name: json.loads(value) for name, value in stored.items()}
    assert facts["classes"] == list(spec.classes)
    assert facts["palette"] == [list(colour) for colour in spec.palette]
    assert facts["size"] == [48, 80]
    assert facts["size_divisor"] == 16
    assert facts["network"] == "mfnet"
    assert facts["lix_version"] == lix.__version__


def test_file_stands_alone(exported_report):
    assert list(exported_report.path.parent.iterdir()) == [exported_report.path]
    onnx.checker.check_model(exported_report.path, full_check=True)


class OneConvolution(SegNetwork):
    """Quick to export."""

    num_classes, x_channels, size_divisor = 5, 0, 4
    feature_specs = MappingProxyType({})
    default_features = ()

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)

    def _forward(self, image, x, taps):
        return self.conv(image)


class Undivided(OneConvolution):
    size_divisor = 1


class OtherInExport(OneConvolution):
    def _forward(self, image, x, taps):
        return self.conv(image) * (1.1 if torch.compiler.is_exporting() else 1.0)


class Close(OneConvolution):
    """Two classes almost alike, and the other one ahead once exported."""

    lead = 4e-4

    def _forward(self, image, x, taps):
        ahead = -self.lead if torch.compiler.is_exporting() else self.lead
        return 0 * self.conv(image) + torch.tensor([1, 1 + ahead, 0, 0, 0]).view(1, 5, 1, 1)


class Tied(Close):
    lead = 2e-5


class NotANumber(OneConvolution):
    def _forward(self, image, x, taps):
        return self.conv(image) * torch.nan


class Branching(OneConvolution):
    def _forward(self, image, x, taps):
        return self.conv(image) if image.mean() > 0.5 else -self.conv(image)


@pytest.fixture
def export_of(student, tmp_path, monkeypatch):
    """Export a network of the given class in place of the student's."""
    spec = load_network(student)[1]

    def run(network: type[OneConvolution], **options: object) -> ExportReport:
        torch.manual_seed(0)
        monkeypatch.setattr(export, "load_student", lambda _: (network().eval(), spec))
        return export.export_onnx(student, tmp_path / "out/student.onnx", **options)

    return run


def test_opset_is_as_asked_and_the_export_quiet(export_of, capfd, recwarn):
    report = export_of(OneConvolution, opset=17)
    assert report.opset == onnx.load(report.path).opset_import[0].version == 17
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_opset_that_cannot_be_had_is_one_sentence(export_of, tmp_path):
    with pytest.raises(ValueError, match="cannot be written with opset 99"):
        export_of(OneConvolution, opset=99)
    assert not (tmp_path / "out/student.onnx").exists()


def test_network_without_a_divisor_takes_any_size(export_of):
    image = np.zeros((3, 3, 37, 51), np.float32)
    assert session(export_of(Undivided).path).run(None, {"image": image})[0].shape[2:] == (37, 51)


@pytest.mark.parametrize("network", [OtherInExport, NotANumber])
def test_result_that_differs_leaves_the_old_file_alone(export_of, network, tmp_path):
    path = tmp_path / "out/student.onnx"
    path.parent.mkdir()
    path.write_text("old")
    with pytest.raises(ValueError, match="differ from PyTorch's by up to"):
        export_of(network)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text() == "old"


def test_other_classes_are_refused_though_the_logits_are_close(export_of, tmp_path):
    with pytest.raises(ValueError, match=r"only 0\.000 % of pixels get PyTorch's class or one"):
        export_of(Close)
    assert not list((tmp_path / "out").iterdir())


def test_ties_may_go_either_way(export_of):
    report = export_of(Tied)
    assert (report.agreement, report.agreement_or_tie) == (0, 1)
    assert str(report).endswith("0.00 % of pixels get the same class, 100.0000 % tie")


def test_network_that_cannot_be_exported_is_one_sentence(export_of, capfd):
    with pytest.raises(
        ValueError, match=r"Branching cannot be exported to ONNX.*data-dep"
    ) as caught:
        export_of(Branching)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_teacher_is_refused(teacher, tmp_path):
    with pytest.raises(ValueError, match="is a teacher"):
        export.export_onnx(teacher, tmp_path / "teacher.onnx")


def test_folder_as_output_is_one_sentence(student, tmp_path):
    with pytest.raises(ValueError, match=r"is a folder; name a file such as .*student\.onnx"):
        export.export_onnx(student, tmp_path)


@pytest.mark.parametrize("module", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_extra_is_one_sentence(student, tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ModuleNotFoundError, match=rf'{module} missing.*pip install "lix\[export\]"'
    ):
        export.export_onnx(student, tmp_path / "student.onnx")
