"""A file → a student, computed by PyTorch or by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch

from lix.deploy.onnx import onnx_student
from lix.deploy.student import Student, load_student, torch_student

Engine = Literal["auto", "torch", "onnx"]
"""What computes: `auto` is ONNX Runtime for .onnx files and PyTorch for all others."""


def open_student(
    path: Path,
    *,
    engine: Engine = "auto",
    threads: int = 1,
    device: str | torch.device | None = None,
) -> Student:
    """Open a student. A checkpoint for ONNX Runtime is exported to a temporary file first.

    Args:
        path: run folder, checkpoint, or .onnx file of `lix export`.
        engine: what computes.
        threads: of the CPU, in this process from now on.
        device: such as `cuda:1`; default: the accelerator, else the CPU.

    Raises:
        ModuleNotFoundError: the extra `export` is missing.
        FileNotFoundError: no such file.
        ValueError: a teacher, a damaged or foreign file, an .onnx file for PyTorch, or fewer than
            one thread.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}; choose at least 1.")
    torch.set_num_threads(threads)
    if path.suffix.lower() == ".onnx":
        if engine == "torch":
            raise ValueError(
                f"{path} runs in ONNX Runtime alone; leave out --engine, or name the run that it "
                "was exported from."
            )
        return onnx_student(path, threads=threads, device=device)
    if engine == "onnx":
        from lix.deploy.export import export_onnx

        with TemporaryDirectory() as folder:
            exported = export_onnx(path, Path(folder) / "student.onnx").path
            return onnx_student(exported, threads=threads, device=device)
    return torch_student(*load_student(path), device)
