"""Files damaged at random: read with the right values, or refused by one sentence with their name.

PNG, .npz and what lix writes carry checksums, so that what is read of them is what was stored.
"""

from __future__ import annotations

import io
import json
import resource
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

from lix import load_network
from lix.core.onnx_file import CHECKSUM, UNSEALED, seal
from lix.data.description import read_yaml
from lix.data.labels import IdLabels
from lix.data.readers import image_size, read_array, read_rgb
from lix.data.x_files import XFiles, read_description
from lix.deploy.backend import open_student
from lix.deploy.backends.torch import Torch
from lix.deploy.image_files import read_image
from lix.runs.recipe import Recipe
from lix.study.definition import Study
from lix.training.checkpoint_io import WholeCheckpoints
from tests.deploy.conftest import PALETTE, write_checkpoint
from tests.robustness.mutations import mutations

MAX_MEMORY = 500_000
"""Kilobytes by which all damages of a kind may raise the peak of the process."""
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
VALUES = PIXELS[..., 0].astype(np.float32)
Read = Callable[[Path], Any]


@pytest.fixture(autouse=True)
def _bounded_memory() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_MEMORY


def results(path: Path, content: bytes, read: Read, count: int) -> list[Any]:
    """What is read of damaged copies; each of the others must be refused by one sentence."""
    taken, refused = [], []
    for damaged in mutations(content, count):
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as Pillow's about metadata
                taken.append(read(path))
        except (ValueError, OSError) as error:
            refused.append(str(error))
    for sentence in refused:
        assert str(path) in sentence
        assert "\n" not in sentence
        assert len(sentence) < 700
    return taken


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as a training writes it."""
    path = write_checkpoint(tmp_path_factory.mktemp("whole") / "a.ckpt")
    stored = torch.load(path) | {"loops": {}}
    path.unlink()
    WholeCheckpoints().save_checkpoint(stored, path)
    return path


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_checkpoints(checkpoint: Path, tmp_path: Path, suffix: str) -> None:
    whole = checkpoint
    if suffix == ".safetensors":
        whole = tmp_path / "whole.safetensors"
        Torch().write(checkpoint, whole)
    network, spec = load_network(whole)
    weights = network.state_dict()
    for other, its_spec in results(tmp_path / f"a{suffix}", whole.read_bytes(), load_network, 24):
        assert its_spec == spec
        assert all(torch.equal(value, weights[k]) for k, value in other.state_dict().items())


def write_onnx(path: Path, *, sealed: bool) -> Path:
    """A convolution of one pixel with the metadata of a student."""
    facts: dict[str, object] = {"network": "mfnet", "classes": list("abcde"), "palette": PALETTE}
    facts |= {"size": [16, 16], "size_divisor": 1}
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", channels, "h", "w"))
        for name, channels in (("image", 3), ("logits", 5))
    ]
    kernel = helper.make_tensor("w", TensorProto.FLOAT, (5, 3, 1, 1), [float(i) for i in range(15)])
    node = helper.make_node("Conv", ["image", "w"], ["logits"])
    graph = helper.make_graph([node], "tiny", ends[:1], ends[1:], [kernel])
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    entries = {name: json.dumps(fact) for name, fact in facts.items()}
    helper.set_model_props(model, entries | ({CHECKSUM: UNSEALED} if sealed else {}))
    onnx.save(model, path)
    if sealed:
        seal(path)
    return path


@pytest.mark.parametrize("sealed", [True, False])
def test_onnx_files(tmp_path: Path, sealed: bool) -> None:
    whole = write_onnx(tmp_path / "whole.onnx", sealed=sealed).read_bytes()
    image = torch.rand(1, 3, 16, 16)

    def logits(path: Path) -> torch.Tensor:
        return open_student(path, device="cpu").logits(image)

    expected = logits(tmp_path / "whole.onnx")
    taken = results(tmp_path / "a.onnx", whole, logits, 120)
    assert not sealed or all(torch.equal(values, expected) for values in taken)


RECIPE = """data: {name: vkitti2, root: data, size: [48, 160], x: log, options: {lists: all}}
network: {name: mfnet, options: {head: official}}
optim: {name: sgd, lr: 5.0e-3, batch_size: 4}
training: {epochs: 2, patience: 3, seed: 0}
distill: {method: kd, teacher: t, options: {temperature: 4}}
"""
DATA = """root: images
classes: [road, car, other]
ignore: [255]
palette: [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
x: {kind: depth, unit: mm, scale: 1/256, invalid: 0}
intrinsics: [1, 2, 3, 4]
files: {image: rgb/*.png, label: label/*.png, x: depth/*.png}
train: train.txt
val: {list: val.txt}
"""
STUDY = """name: s
data: {a: {root: data}}
networks: {mfnet: {}}
methods: [none, {method: kd, options: {temperature: 2}}]
seeds: [0, 1]
settings: {optim: {lr: 0.1}}
"""


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (RECIPE, Recipe.load),
        (DATA, read_yaml),
        ("kind: depth\nunit: mm\nscale: 1/256\ninvalid: 0\n", read_description),
        (STUDY, Study.load),
    ],
    ids=["recipe", "data", "x", "study"],
)
def test_yaml_files(tmp_path: Path, text: str, read: Read) -> None:
    results(tmp_path / "a.yaml", text.encode(), read, 60)


def encoded(array: Any, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


PICTURES = {
    "rgb.png": encoded(PIXELS, "PNG"),
    "grey.png": encoded(PIXELS[..., 0] % 3, "PNG"),
    "16 bits.png": encoded(PIXELS[..., 0].astype(np.uint16) * 200, "PNG"),
    "a.jpg": encoded(PIXELS, "JPEG"),
    "a.webp": encoded(PIXELS, "WEBP", lossless=True),
    "a.tif": encoded(PIXELS, "TIFF"),
    "a.avif": encoded(PIXELS, "AVIF"),
    "a.dds": encoded(PIXELS, "DDS"),
    "a.pgm": encoded(PIXELS[..., 0], "PPM"),
}
READERS: dict[str, Read] = {
    "predict": lambda path: np.asarray(read_image(path)),
    "rgb": read_rgb,
    "as stored": read_array,
    "size": image_size,
    "labels": IdLabels({0: 0, 1: 1, 2: 2, 255: 255}, "labels are 0 to 2").read,
    "depth": XFiles(kind="depth").read,
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PICTURES[name])
    whole = {kind: READERS[kind](tmp_path / name) for kind in ("predict", "as stored")}
    for kind, read in READERS.items():
        for taken in results(tmp_path / name, PICTURES[name], read, 40):
            if name.endswith("png") and kind in whole:
                np.testing.assert_array_equal(taken, whole[kind])


def stored(suffix: str, values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values) if suffix == ".npy" else np.savez_compressed(buffer, a=values)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("kind", ["as stored", "labels", "depth"])
def test_arrays(tmp_path: Path, suffix: str, kind: str) -> None:
    values = PIXELS[..., 0] % 3 if kind == "labels" else VALUES
    for taken in results(tmp_path / f"a{suffix}", stored(suffix, values), READERS[kind], 60):
        if suffix == ".npz" and kind == "as stored":
            np.testing.assert_array_equal(taken, values)
