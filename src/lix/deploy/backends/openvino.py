"""OpenVINO: .xml files of `lix export`, with their weights in the .bin next to them."""

from __future__ import annotations

import re
import sys
import zlib
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lix.core.errors import one_line, require
from lix.core.files import atomic_write
from lix.deploy.backend import Backend
from lix.deploy.description import FACTS, description
from lix.deploy.student import Student, load_student

if TYPE_CHECKING:
    from lix.deploy.export import ExportReport

HOME = "framework"
"""Where OpenVINO keeps the metadata of the ONNX file that a model was read from."""
_SEAL = re.compile(rb'(?<=<lix_checksum value="&quot;)[0-9a-f]{8}(?=&quot;" />)')
_ZEROS = b"0" * 8


class OpenVINO(Backend):
    """Computes with OpenVINO on the CPU, in the precision of the file."""

    suffixes: ClassVar[tuple[str, ...]] = (".xml",)

    def open(
        self,
        path: Path,
        *,
        threads: int = 1,
        device: str | torch.device | None = None,
        provider: str | None = None,
    ) -> Student:
        """Open a file that `lix export` has written.

        Args:
            path: the .xml file.
            threads: number of CPU threads.
            device: None or `cpu`.

        Raises:
            ModuleNotFoundError: OpenVINO is missing.
            FileNotFoundError: the file or its .bin is missing.
            ValueError: a damaged file, one that lix has not written, or another device.
        """
        if device is not None and torch.device(device).type != "cpu":
            raise ValueError(f"lix runs OpenVINO only on the CPU; leave out the device {device}.")
        core, model = _read(path)
        sides = (model.inputs, model.outputs)
        ends = [[name for port in side for name in port.names] for side in sides]
        stored = {
            name: model.get_rt_info([HOME, name]).value
            for name in FACTS
            if model.has_rt_info([HOME, name])
        }
        lengths = model.outputs[0].get_partial_shape()
        shape = [None if n.is_dynamic else n.get_length() for n in lengths]
        spec, divisor = description(stored, ends, shape, path)
        # CPUs with bf16 would compute in it by themselves, and differ from PyTorch.
        hints = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = core.compile_model(model, "CPU", hints)

        def logits(batch: Tensor) -> Tensor:
            image = np.ascontiguousarray(batch.numpy())
            try:
                found = compiled({"image": image}, share_outputs=False)[0]
            except RuntimeError as error:
                size = "x".join(map(str, batch.shape[-2:]))
                raise ValueError(
                    f"{path} cannot take {size} pixels ({one_line(error)}); choose another size."
                ) from None
            return torch.from_numpy(found)

        return Student("openvino", logits, spec, divisor, torch.device("cpu"))

    def write(self, checkpoint: Path, output: Path) -> ExportReport:
        """Write a student by way of ONNX and compare it with PyTorch; raises as `export_onnx`."""
        from lix.deploy.export import compared, export_onnx

        _openvino()
        with TemporaryDirectory() as folder:
            onnx = export_onnx(checkpoint, Path(folder, "student.onnx"))
            draft = Path(folder, "student.xml")
            self.from_onnx(onnx.path, draft)
            network, logits = load_student(checkpoint), self.open(draft).logits
            report = compared(*network, output, logits, engine="OpenVINO", opset=onnx.opset)
            self.from_onnx(onnx.path, output)
        return report

    def from_onnx(self, source: Path, output: Path) -> None:
        openvino = _openvino()
        model = openvino.Core().read_model(source)
        weights = output.with_suffix(".bin")
        # The .xml is replaced last: with the old one, new weights do not fit its checksum.
        with atomic_write(output) as part, atomic_write(weights) as part_of_weights:
            openvino.save_model(model, part, compress_to_fp16=False)
            content = _SEAL.sub(_ZEROS, part.read_bytes())
            digits = _checksum(content, part_of_weights.read_bytes())
            part.write_bytes(_SEAL.sub(digits, content))

    def cost(self, path: Path, batch: int, height: int, width: int) -> tuple[int, int]:
        _, model = _read(path)
        model.reshape([batch, 3, height, width])
        nodes = model.get_ordered_ops()
        values = ("f32", "f16", "i8", "u8")
        constants = (n for n in nodes if n.get_type_name() == "Constant")
        parameters = sum(
            prod(n.get_output_shape(0))
            for n in constants
            if n.get_output_element_type(0).get_type_name() in values
        )
        return parameters, sum(map(_macs, nodes))


def _openvino() -> Any:
    """Import OpenVINO without the package by which it reports each import to its makers."""
    require("openvino", "openvino")
    reporter = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if reporter is None:
            del sys.modules["openvino_telemetry"]
        else:
            sys.modules["openvino_telemetry"] = reporter
    return openvino


def _read(path: Path) -> tuple[Any, Any]:
    """The core and the model of a file and its weights, verified."""
    openvino = _openvino()
    weights = path.with_suffix(".bin")
    for file in (path, weights):
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing; write it with: lix export RUN {path}")
    content = path.read_bytes()
    seals = _SEAL.findall(content)
    if seals and seals != [_checksum(_SEAL.sub(_ZEROS, content), weights.read_bytes())]:
        raise ValueError(
            f"{path} cannot be used (it and {weights.name} do not fit its lix_checksum); export it "
            "again."
        )
    core = openvino.Core()
    try:
        return core, core.read_model(path, weights)
    except RuntimeError as error:
        raise ValueError(
            f"{path} is not a model that OpenVINO loads ({one_line(error)}); export it again."
        ) from None


def _checksum(content: bytes, weights: bytes) -> bytes:
    return f"{zlib.crc32(weights, zlib.crc32(content)):08x}".encode()


def _macs(node: Any) -> int:
    kind = node.get_type_name()
    if kind not in ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"):
        return 0
    inputs, weight = (list(node.get_input_shape(i)) for i in (0, 1))
    outputs = list(node.get_output_shape(0))
    if kind == "MatMul":
        return prod(outputs) * inputs[-2 if node.get_attributes()["transpose_a"] else -1]
    if kind == "ConvolutionBackpropData":
        return prod(inputs) * prod(weight[1:])
    return prod(outputs) * prod(weight[2 if kind == "GroupConvolution" else 1 :])
