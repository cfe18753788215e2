"""A student in ONNX Runtime segments as it does in PyTorch."""

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from lix.deploy.backend import open_student
from lix.deploy.predict import predict
from lix.deploy.student import Segmenter
from tests.cli.test_cli import lix


def pixels(path):
    with Image.open(path) as image:
        return np.array(image)


FACTS = {
    "network": "mfnet",
    "classes": ["a", "b"],
    "palette": [[1, 2, 3], [4, 5, 6]],
    "size": [16, 16],
    "size_divisor": 1,
}


@pytest.fixture
def tiny(tmp_path):
    """Write a 1 x 1 convolution that takes 16 x 16 pixels alone, with metadata."""

    def write(facts=FACTS, names=("image", "logits")):
        weights = helper.make_tensor("w", TensorProto.FLOAT, (2, 3, 1, 1), [0.0, 1, 2, 3, 4, 5])
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, channels, 16, 16))
            for name, channels in zip(names, (3, 2), strict=True)
        ]
        node = helper.make_node("Conv", [names[0], "w"], [names[1]])
        graph = helper.make_graph([node], "tiny", ends[:1], ends[1:], [weights])
        opset = helper.make_opsetid("", 17)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
        helper.set_model_props(model, {name: json.dumps(fact) for name, fact in facts.items()})
        onnx.save(model, tmp_path / "tiny.onnx")
        return tmp_path / "tiny.onnx"

    return write


@pytest.mark.slow
@pytest.mark.usefixtures("exported_once")
def test_checkpoint_is_exported_for_the_engine(student, photo, tmp_path):
    source = photo("a.png")
    assert open_student(student, engine="onnx").engine == "onnx"
    assert lix("predict", student, source, "--engine", "onnx", "--output", tmp_path / "out") == 0
    assert (tmp_path / "out/a_label.png").is_file()


def test_command_line_takes_the_file(exported, photo, tmp_path, capsys):
    command = ("predict", exported, photo("a.png"), "--output", tmp_path / "out", "--threads", 2)
    assert lix(*command) == 0
    assert capsys.readouterr().out.strip().endswith(f"2 files in {tmp_path / 'out'}")
    assert lix(*command) == 0
    assert "2 files in" in capsys.readouterr().out


def test_videos_are_painted_too(exported, tmp_path):
    from tests.deploy.test_video import read_video, write_video

    predict(exported, write_video(tmp_path / "a.mp4"), tmp_path / "out")
    assert read_video(tmp_path / "out/a_overlay.mp4")[0].shape == (7, 48, 64, 3)


def test_pytorch_cannot_run_the_file(exported):
    with pytest.raises(ValueError, match="cannot run in torch; leave out --engine"):
        open_student(exported, engine="torch")


def test_teacher_is_refused(teacher):
    with pytest.raises(ValueError, match="is a teacher"):
        open_student(teacher, engine="onnx")


def test_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.onnx is missing; write it with: lix export"):
        open_student(tmp_path / "no.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x09"])
def test_damaged_file_is_one_sentence(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.onnx .*(again|lix export RUN)"):
        open_student(tmp_path / "a.onnx")


def test_file_cut_short_is_one_sentence(exported, tmp_path):
    content = exported.read_bytes()
    (tmp_path / "a.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cannot be used .*; export it again"):
        open_student(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "change",
    [
        {},
        *({name: None} for name in FACTS if name != "network"),
        {"size": [16]},
        {"size": [0, 16]},
        {"size": [10**9, 16]},
        {"size": ["a", "b"]},
        {"size": "ab"},
        {"palette": [[1, 2]]},
        {"palette": [[999, -1, 0], [1, 1, 1]]},
        {"palette": {"a": 1}},
        {"classes": [1, 2]},
        {"classes": "ab"},
        {"classes": ["a"]},
        {"network": ["mfnet"]},
        *({"size_divisor": d} for d in (0, -8, 10**9, "8", [8], True, float("inf"))),
        {"classes": 2},
    ],
    ids=str,
)
def test_file_of_others_is_one_sentence(tiny, change):
    facts = {**FACTS, **change} if change else {}
    with pytest.raises(ValueError, match=r"has no metadata of lix .*: lix export RUN tiny"):
        open_student(tiny(facts))


def test_other_inputs_are_refused(tiny):
    with pytest.raises(ValueError, match="it makes logits of pixels"):
        open_student(tiny(names=("pixels", "logits")))


def test_size_that_the_model_cannot_take_fails_its_picture(tiny, photo, tmp_path):
    model = tiny()
    assert len(predict(model, photo("in/a.png"), tmp_path / "out").files) == 2
    with pytest.raises(ValueError, match=r"tiny\.onnx cannot take 48x64 pixels .*another size"):
        predict(model, photo("in/a.png"), tmp_path / "out", size="native")


def test_device_that_is_not_there_is_one_sentence(tiny):
    assert Segmenter(open_student(tiny(), device="cpu"))(np.zeros((9, 9, 3), np.uint8)).shape == (
        2,
        9,
        9,
    )
    with pytest.raises(ValueError, match="has no CUDAExecutionProvider"):
        open_student(tiny(), device="cuda")


@pytest.mark.parametrize("name", ["cpu", "CPU", "CPUExecutionProvider"])
def test_provider_is_chosen(tiny, name):
    student = open_student(tiny(), provider=name)
    assert student.engine == "onnx (CPUExecutionProvider)"


def test_provider_that_is_not_there_is_one_sentence(tiny, student, photo, capsys):
    for name in ("tensorrt", "DirectML"):
        with pytest.raises(ValueError, match=f"no provider '{name}', only .*cpu"):
            open_student(tiny(), provider=name)
    with pytest.raises(ValueError, match=r"Only ONNX Runtime has providers .*leave out --provider"):
        open_student(student, provider="cuda")
    assert lix("bench", tiny(), "--provider", "coreml") == 1
    assert "no provider 'coreml'" in " ".join(capsys.readouterr().err.split())


def test_provider_that_does_not_start_is_never_replaced_by_the_cpu(tiny, monkeypatch):
    from lix.deploy.backends import onnx as module

    monkeypatch.setattr(module, "execution_provider", lambda _: "TensorrtExecutionProvider")
    with pytest.raises(ValueError, match="could not start TensorrtExecutionProvider"):
        open_student(tiny(), provider="tensorrt")


def test_no_threads_are_refused(student):
    with pytest.raises(ValueError, match="at least 1"):
        open_student(student, threads=0)


def test_missing_extra_is_one_sentence(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "lix\[export\]"'):
        open_student(exported)


def test_no_flipped_bit_is_used(exported, tmp_path):
    whole = exported.read_bytes()
    for place in range(5, len(whole), len(whole) // 60):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        (tmp_path / "a.onnx").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.onnx .*(lix_checksum|has no metadata)"):
            open_student(tmp_path / "a.onnx")


def changed(exported, path, change):
    """The file without its checksum, as of another tool, with one tensor changed."""
    model = onnx.load(exported)
    kept = [(p.key, p.value) for p in model.metadata_props if p.key != "lix_checksum"]
    model.ClearField("metadata_props")
    for key, value in kept:
        model.metadata_props.add(key=key, value=value)
    change(max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data)))
    path.write_bytes(model.SerializeToString())
    return path


def test_a_file_without_checksum_is_opened(exported, tmp_path):
    open_student(changed(exported, tmp_path / "a.onnx", lambda tensor: None))


def test_weights_in_another_file_are_refused(exported, tmp_path):
    def move(tensor):
        (tmp_path / "weights.bin").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")

    with pytest.raises(ValueError, match="its weights are in another file"):
        open_student(changed(exported, tmp_path / "a.onnx", move))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(exported, tmp_path, value):
    def spoil(tensor):
        values = np.frombuffer(tensor.raw_data, np.float32).copy()
        values[3] = value
        tensor.raw_data = values.tobytes()

    with pytest.raises(ValueError, match="weights are NaN or infinite"):
        open_student(changed(exported, tmp_path / "a.onnx", spoil))
