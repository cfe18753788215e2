"""A student in OpenVINO segments as it does in PyTorch; skipped where OpenVINO is not installed."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from lix.data.sets.vkitti2 import VKITTI2
from lix.deploy.backend import backend, open_student
from lix.deploy.bench import bench
from lix.deploy.quantise import quantise
from lix.runs.data import evaluation_loader
from lix.runs.settings import Data
from tests.cli.test_cli import lix
from tests.deploy.test_quantise import run  # noqa: F401 - a fixture

if find_spec("openvino") is None:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def converted(exported, tmp_path_factory):
    """The student as an OpenVINO file."""
    path = tmp_path_factory.mktemp("openvino") / "new/student.xml"
    backend("openvino").from_onnx(exported, path)
    assert sorted(p.name for p in path.parent.iterdir()) == ["student.bin", "student.xml"]
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("exported_once")
def test_export_is_held_to_pytorch(student, tmp_path, capsys, monkeypatch):
    path = tmp_path / "out/student.xml"
    assert lix("export", student, path) == 0
    assert "OpenVINO against PyTorch at 4 sizes" in " ".join(capsys.readouterr().out.split())
    found, expected = bench(path, runs=1, batch=3), bench(student, runs=1, batch=3)
    assert (found.engine, found.macs) == ("openvino", expected.macs)
    assert found.parameters == pytest.approx(expected.parameters, rel=0.02)
    path.unlink()
    monkeypatch.setattr("lix.deploy.export.TOLERANCE", -1.0)
    with pytest.raises(ValueError, match=r"\.xml was not written: its logits .*an \.onnx file"):
        backend("openvino").write(student, path)
    assert not path.exists()


def test_macs_are_those_of_the_onnx_graph(tmp_path):
    shapes = {"w0": (6, 1, 3, 3), "w1": (6, 4, 2, 2), "w2": (32, 8), "w3": (5, 4, 1, 1)}
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, dims, np.arange(1.0, 1 + np.prod(dims)))
        for name, dims in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["a"], group=3, pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["a", "w1"], ["b"], strides=[2, 2]),
        helper.make_node("MatMul", ["b", "w2"], ["c"]),
        helper.make_node("Transpose", ["c"], ["d"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["d", "c"], ["e"]),
        helper.make_node("Conv", ["e", "w3"], ["logits"]),
    ]
    ends = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 16, 16)),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 5, 8, 8)),
    ]
    graph = helper.make_graph(nodes, "mixed", ends[:1], ends[1:], weights)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), tmp_path / "a.onnx")
    backend("openvino").from_onnx(tmp_path / "a.onnx", tmp_path / "a.xml")
    expected = backend("onnx").cost(tmp_path / "a.onnx", 1, 16, 16)
    assert backend("openvino").cost(tmp_path / "a.xml", 1, 16, 16) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("exported_once")
def test_checkpoint_is_exported_for_the_engine(student, photo, tmp_path):
    source = photo("a.png")
    assert lix("predict", student, source, "--engine", "openvino", "--output", tmp_path) == 0
    assert (tmp_path / "a_label.png").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("exported_once")
def test_eight_bits_keep_the_miou(run, streets, tmp_path):  # noqa: F811
    report = quantise(run, tmp_path / "int8/student.xml")
    assert sorted(p.name for p in report.path.parent.iterdir()) == ["student.bin", "student.xml"]
    assert abs(report.after - report.before) < 0.02
    assert b"FakeQuantize" in report.path.read_bytes()
    floats = (run / "checkpoints/best.ckpt").stat().st_size
    assert report.path.with_suffix(".bin").stat().st_size < 0.5 * floats
    data = Data(name="vkitti2", root=streets, size=(48, 80))
    loader = evaluation_loader(data, VKITTI2(streets, split="val"), with_x=False)
    image = next(iter(loader))["image"]
    with torch.inference_mode():
        ours, theirs = (open_student(p).logits(image) for p in (report.path, run))
    assert torch.corrcoef(torch.stack([ours.flatten(), theirs.flatten()]))[0, 1] > 0.99


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_missing_file_is_one_sentence(converted, tmp_path, suffix):
    for other in {".xml", ".bin"} - {suffix}:
        (tmp_path / f"a{other}").write_bytes(converted.with_suffix(other).read_bytes())
    with pytest.raises(FileNotFoundError, match=rf"a\{suffix} is missing; write it with: lix"):
        open_student(tmp_path / "a.xml")


@pytest.mark.parametrize("content", [b"", b"no model", b"<net></net>"])
def test_damaged_file_is_one_sentence(converted, tmp_path, content):
    (tmp_path / "a.xml").write_bytes(content)
    (tmp_path / "a.bin").write_bytes(converted.with_suffix(".bin").read_bytes())
    with pytest.raises(ValueError, match=r"a\.xml .*again"):
        open_student(tmp_path / "a.xml")


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_no_flipped_bit_is_used(converted, tmp_path, suffix):
    for other in (".xml", ".bin"):
        (tmp_path / f"a{other}").write_bytes(converted.with_suffix(other).read_bytes())
    whole = converted.with_suffix(suffix).read_bytes()
    for place in range(5, len(whole), len(whole) // 20):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        (tmp_path / f"a{suffix}").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.xml .*lix_checksum"):
            open_student(tmp_path / "a.xml")


def test_file_of_others_and_other_devices_are_one_sentence(converted, tmp_path):
    content = converted.read_bytes().replace(b"<framework>", b"<foreign>")
    content = content.replace(b"</framework>", b"</foreign>").replace(b"lix_checksum", b"crc")
    (tmp_path / "a.xml").write_bytes(content)
    (tmp_path / "a.bin").write_bytes(converted.with_suffix(".bin").read_bytes())
    with pytest.raises(ValueError, match=r"a\.xml has no metadata of lix"):
        open_student(tmp_path / "a.xml")
    with pytest.raises(ValueError, match="only on the CPU; leave out the device cuda"):
        open_student(converted, device="cuda")


def test_missing_extra_is_one_sentence(converted, monkeypatch):
    monkeypatch.setattr("lix.core.errors.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "lix\[openvino\]"'):
        open_student(converted)


@pytest.mark.slow
def test_nothing_is_reported_to_its_makers(converted):
    code = (
        "import sys; from pathlib import Path; from lix.deploy.backend import open_student; "
        f"open_student(Path({str(converted)!r})); "
        "assert 'openvino' in sys.modules; "
        "assert not any(m.startswith('openvino_telemetry') for m in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
