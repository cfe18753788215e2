"""ONNX Runtime: .onnx files of `lix export`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from lix.core.errors import one_line, require
from lix.core.files import atomic_write
from lix.core.onnx import PROVIDERS, execution_provider, open_session, session_errors
from lix.deploy.backend import Backend
from lix.deploy.description import description
from lix.deploy.onnx_cost import onnx_cost
from lix.deploy.student import Student

if TYPE_CHECKING:
    from lix.deploy.export import ExportReport


class Onnx(Backend):
    """Computes with ONNX Runtime: on its GPU provider where it has one, else on the CPU."""

    has_providers: ClassVar[bool] = True
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)

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
            path: the file.
            threads: number of threads within an operator, on the CPU.
            device: `cpu` leaves the GPU out, `cuda` insists on it.
            provider: execution provider that must be used, such as `tensorrt`.

        Raises:
            ModuleNotFoundError: ONNX Runtime is missing.
            FileNotFoundError: no such file.
            ValueError: a damaged file, one that lix has not written, or a device or provider that
                is not there.
        """
        require("export", "onnxruntime")
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; write it with: lix export RUN {path}")
        kind = None if device is None else torch.device(device).type
        providers: tuple[str, ...] = PROVIDERS[1:] if kind == "cpu" else PROVIDERS
        if provider is not None:
            providers = tuple(dict.fromkeys((execution_provider(provider), *PROVIDERS[1:])))
        session = open_session(path, threads, providers)
        # ONNX Runtime falls back to the CPU without an error.
        if provider is not None and session.get_providers()[0] != providers[0]:
            raise ValueError(
                f"ONNX Runtime could not start {providers[0]}; check its libraries, or leave out "
                "--provider."
            )
        if kind not in (None, "cpu") and PROVIDERS[0] not in session.get_providers():
            raise ValueError(
                f"This ONNX Runtime has no {PROVIDERS[0]}; leave out the device {device}."
            )
        sides = (session.get_inputs(), session.get_outputs())
        ends = [[node.name for node in side] for side in sides]
        stored = session.get_modelmeta().custom_metadata_map
        spec, divisor = description(stored, ends, session.get_outputs()[0].shape, path)

        def logits(batch: Tensor) -> Tensor:
            try:
                (output,) = session.run(["logits"], {"image": np.ascontiguousarray(batch.numpy())})
            except session_errors() as error:
                size = "x".join(map(str, batch.shape[-2:]))
                raise ValueError(
                    f"{path} cannot take {size} pixels ({one_line(error)}); choose another size."
                ) from None
            return torch.from_numpy(output)

        engine = "onnx" if provider is None else f"onnx ({providers[0]})"
        return Student(engine, logits, spec, divisor, torch.device("cpu"))

    def write(self, checkpoint: Path, output: Path) -> ExportReport:
        from lix.deploy.export import export_onnx

        return export_onnx(checkpoint, output)

    def from_onnx(self, source: Path, output: Path) -> None:
        with atomic_write(output) as part:
            shutil.copyfile(source, part)

    def cost(self, path: Path, batch: int, height: int, width: int) -> tuple[int, int]:
        return onnx_cost(path, batch, height, width)
