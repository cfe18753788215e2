"""The base class of engines that compute a student, and the choice of one for a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import torch

from lix.core.errors import unknown
from lix.core.registry import entries
from lix.deploy.student import Student

AUTO = "auto"
"""The engine that a file's suffix names; PyTorch for run folders and checkpoints."""


class Backend(ABC):
    """An engine that opens and writes files of a student and says what they cost.

    Every file of `lix.deploy.backends` holds one, and its file name is its name.
    """

    has_providers: ClassVar[bool] = False
    """Whether `open` takes the name of an execution provider."""
    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of the files that it opens; files that it writes get the first one."""

    @abstractmethod
    def open(
        self,
        path: Path,
        *,
        threads: int = 1,
        device: str | torch.device | None = None,
        provider: str | None = None,
    ) -> Student:
        """Open a file or, for PyTorch, a run folder.

        Raises:
            ModuleNotFoundError: an extra of lix is missing.
            FileNotFoundError: no such file.
            ValueError: a teacher, a damaged or foreign file, or a device that is not there.
        """

    @abstractmethod
    def write(self, checkpoint: Path, output: Path) -> object:
        """Write a student's checkpoint as a file of this engine; returns what to tell the user."""

    def from_onnx(self, source: Path, output: Path) -> None:
        """Write an ONNX file, such as one of 8-bit integers, as a file of this engine.

        Raises:
            ValueError: this engine has no such files.
            OSError: the output cannot be written.
        """
        raise ValueError(f"{output} cannot hold what ONNX holds; name a file such as student.onnx.")

    @abstractmethod
    def cost(self, path: Path, batch: int, height: int, width: int) -> tuple[int, int]:
        """Parameters of a file, and MACs of a batch in convolutions and matrix products."""


@cache
def backend(name: str) -> Backend:
    """The engine called `name`.

    Raises:
        ValueError: no such engine; the message lists the choices.
    """
    if name not in entries("backends"):
        raise ValueError(unknown("engine", name, [AUTO, *entries("backends")]))
    engine: Backend = entries("backends")[name].load()()
    return engine


def backend_of(path: Path) -> Backend | None:
    """The engine that opens files of this suffix, if there is one."""
    engines = (backend(name) for name in entries("backends"))
    return next((e for e in engines if path.suffix.lower() in e.suffixes), None)


def open_student(
    path: Path,
    *,
    engine: str = AUTO,
    threads: int = 1,
    device: str | torch.device | None = None,
    provider: str | None = None,
) -> Student:
    """Open a student. A checkpoint for another engine is exported to a temporary file first.

    Args:
        path: run folder, checkpoint, or a file of `lix export`.
        engine: what computes; `auto` is the engine of the file's suffix, else PyTorch.
        threads: number of CPU threads of this process from now on.
        device: such as `cuda:1`; default: the accelerator, else the CPU.
        provider: execution provider of ONNX Runtime, such as `tensorrt`; default: CUDA's if it is
            there, else the CPU's.

    Raises:
        ModuleNotFoundError: the engine's extra is missing.
        FileNotFoundError: no such file.
        ValueError: an unknown engine or provider, a teacher, a damaged or foreign file, a file
            of another engine, or fewer than one thread.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}; choose at least 1.")
    torch.set_num_threads(threads)
    checkpoints = backend("torch")
    of_file = backend_of(path) or checkpoints
    chosen = of_file if engine == AUTO else backend(engine)
    if provider is not None and not chosen.has_providers:
        raise ValueError(
            f"Only ONNX Runtime has providers to choose; leave out --provider {provider}, or add "
            "--engine onnx."
        )
    if of_file is chosen:
        return chosen.open(path, threads=threads, device=device, provider=provider)
    if of_file is not checkpoints:
        raise ValueError(
            f"{path} cannot run in {engine}; leave out --engine, or name the run that it was "
            "exported from."
        )
    with TemporaryDirectory() as folder:
        exported = Path(folder, "student").with_suffix(chosen.suffixes[0])
        chosen.write(path, exported)
        return chosen.open(exported, threads=threads, device=device, provider=provider)
