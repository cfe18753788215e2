"""Numbers of a student on this machine."""

import pytest

from lix.deploy.bench import bench
from lix.deploy.export import export_onnx
from lix.deploy.quantise import quantise
from lix.deploy.student import load_student
from lix.networks.parts.cost import macs, parameters
from tests.cli.test_cli import lix
from tests.deploy.conftest import write_checkpoint

pytestmark = pytest.mark.slow


def test_report_of_pytorch(student):
    report = bench(student, runs=5)
    network, _ = load_student(student)
    assert (report.engine, report.size, report.batch, report.runs) == ("torch", (48, 80), 1, 5)
    assert 0 < report.median <= report.percentile_95
    assert report.throughput == pytest.approx(1 / report.median)
    assert report.memory is None or 50 < report.memory[0] <= report.memory[1]
    assert report.parameters == parameters(network) == sum(p.numel() for p in network.parameters())
    assert report.macs == macs(network, 48, 80)


def test_graph_tells_the_same_macs(student, exported):
    options = {"size": (30, 65), "batch": 3, "runs": 2}
    torch, onnx = bench(student, **options), bench(exported, **options)
    assert onnx.engine == "onnx"
    assert onnx.size == torch.size == (32, 80)
    assert onnx.macs == torch.macs == 3 * macs(load_student(student)[0], 32, 80)
    assert onnx.parameters == pytest.approx(torch.parameters, rel=0.02)


def test_graph_of_attention_tells_the_same_macs(tmp_path):
    attentive = {"name": "offnet", "options": {"backbone": "b0"}, "size": (64, 96)}
    student = write_checkpoint(tmp_path / "a.ckpt", **attentive)
    exported = export_onnx(student, tmp_path / "a.onnx").path
    assert bench(exported, runs=1).macs == bench(student, runs=1).macs


@pytest.mark.usefixtures("exported_once")
def test_eight_bits_have_the_macs_of_floats(student, exported, photo, tmp_path):
    quantised = quantise(student, tmp_path / "a.onnx", images=photo("in/a.png").parent).path
    result, expected = bench(quantised, runs=1), bench(exported, runs=1)
    assert result.macs == expected.macs
    assert result.parameters == pytest.approx(expected.parameters, rel=0.01)


@pytest.mark.usefixtures("exported_once")
def test_checkpoint_in_onnx_runtime(student):
    report = bench(student, engine="onnx", runs=1)
    assert report.engine == "onnx"
    assert report.parameters == bench(student, runs=1).parameters


def test_progress_counts_the_runs(student):
    calls = []
    bench(student, runs=3, progress=lambda *done: calls.append(done))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("options", [{"batch": 0}, {"runs": 0}, {"size": (0, 20)}, {"threads": 0}])
def test_less_than_one_is_refused(student, options):
    with pytest.raises(ValueError, match="at least 1"):
        bench(student, **options)


def test_teacher_is_refused(teacher):
    with pytest.raises(ValueError, match="is a teacher"):
        bench(teacher)


def test_command_line_prints_a_table(exported, student, capsys):
    assert lix("bench", exported, "--runs", 2, "--size", "32x64", "--batch", 2) == 0
    printed = capsys.readouterr().out
    assert "2 x 3 x 32 x 64, 2 runs" in printed
    for row in ("onnx on cpu", "median", "95 %", "images/s", "by the runs", "MACs", "parameters"):
        assert row in printed
    assert lix("bench", student, "--runs", 1, "--engine", "torch") == 0
    assert "1 x 3 x 48 x 80" in capsys.readouterr().out
    assert lix("bench", "/nowhere") == 1
    assert lix("bench", exported, "--size", "big") == 1
    assert "HEIGHTxWIDTH" in capsys.readouterr().err
