"""ONNX Runtime: .onnx files of `lix export`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lix.core.errors import require
from lix.core.onnx import PROVIDERS, one_line, open_session, session_errors
from lix.deploy.backend import Backend
from lix.deploy.onnx_cost import onnx_cost
from lix.deploy.student import Student
from lix.runs.checkpoint import NetworkSpec

if TYPE_CHECKING:
    from lix.deploy.export import ExportReport

FACTS = ("network", "classes", "palette", "size", "size_divisor")
"""Keys of the metadata that segmenting needs."""

MAX_DIVISOR = 4096


class Onnx(Backend):
    """Computes with ONNX Runtime: on its GPU provider where it has one, else on the CPU."""

    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)

    def open(
        self, path: Path, *, threads: int = 1, device: str | torch.device | None = None
    ) -> Student:
        """Open a file that `lix export` has written.

        Args:
            path: the file.
            threads: number of threads within an operator, on the CPU.
            device: `cpu` leaves the GPU out, `cuda` insists on it.

        Raises:
            ModuleNotFoundError: ONNX Runtime is missing.
            FileNotFoundError: no such file.
            ValueError: a damaged file, one that lix has not written, or a device that is not there.
        """
        require("export", "onnxruntime")
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; write it with: lix export RUN {path}")
        kind = None if device is None else torch.device(device).type
        session = open_session(path, threads, PROVIDERS[1:] if kind == "cpu" else PROVIDERS)
        if kind not in (None, "cpu") and PROVIDERS[0] not in session.get_providers():
            raise ValueError(
                f"This ONNX Runtime has no {PROVIDERS[0]}; leave out the device {device}."
            )
        spec, divisor = _description(session, path)

        def logits(batch: Tensor) -> Tensor:
            try:
                (output,) = session.run(["logits"], {"image": np.ascontiguousarray(batch.numpy())})
            except session_errors() as error:
                size = "x".join(map(str, batch.shape[-2:]))
                raise ValueError(
                    f"{path} cannot take {size} pixels ({one_line(error)}); choose another size."
                ) from None
            return torch.from_numpy(output)

        return Student("onnx", logits, spec, divisor, torch.device("cpu"))

    def write(self, checkpoint: Path, output: Path) -> ExportReport:
        from lix.deploy.export import export_onnx

        return export_onnx(checkpoint, output)

    def cost(self, path: Path, batch: int, height: int, width: int) -> tuple[int, int]:
        return onnx_cost(path, batch, height, width)


def _description(session: Any, path: Path) -> tuple[NetworkSpec, int]:
    """The network of the metadata, and the size divisor."""
    stored: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    try:
        facts = {name: json.loads(stored[name]) for name in FACTS}
        divisor = _divisor(facts.pop("size_divisor"))
        spec = NetworkSpec.from_dict({"name": facts.pop("network"), **facts})
        _image_to_logits(session)
        _check_shape(session, len(spec.classes))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} has no metadata of lix on its classes, palette and size ({one_line(error)}); "
            f"write it with: lix export RUN {path.name}"
        ) from None
    return spec, divisor


def _divisor(stored: object) -> int:
    if type(stored) is not int or not 1 <= stored <= MAX_DIVISOR:
        raise ValueError(f"size_divisor is {stored!r}")
    return stored


def _image_to_logits(session: Any) -> None:
    ends = [[node.name for node in side] for side in (session.get_inputs(), session.get_outputs())]
    if ends != [["image"], ["logits"]]:
        raise ValueError(f"it makes {', '.join(ends[1])} of {', '.join(ends[0])}")


def _check_shape(session: Any, classes: int) -> None:
    shape = session.get_outputs()[0].shape
    if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != classes):
        raise ValueError(f"it names {classes} classes, but its logits are {shape}")
