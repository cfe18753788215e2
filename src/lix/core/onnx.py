"""ONNX models in ONNX Runtime, for exported students and for depth models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


def open_session(
    model: Path | bytes, threads: int = 1, providers: Sequence[str] = PROVIDERS
) -> Any:
    """Open an `onnxruntime.InferenceSession` on the first provider that is available.

    Args:
        model: file or content of the model.
        threads: number of threads within an operator.
        providers: execution providers of ONNX Runtime, the preferred one first.

    Raises:
        ValueError: the file is missing, damaged or not a model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    available = onnxruntime.get_available_providers()
    content = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(
            content, options, providers=[p for p in providers if p in available]
        )
    except session_errors() as error:
        name = "This" if isinstance(model, bytes) else model
        raise ValueError(
            f"{name} is not a model that ONNX Runtime loads ({one_line(error)}); export it again."
        ) from None


def session_errors() -> tuple[type[Exception], ...]:
    """Exceptions of ONNX Runtime, which have no common base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (kind for kind in vars(state).values() if isinstance(kind, type))
    return tuple(kind for kind in kinds if issubclass(kind, Exception))


def one_line(error: Exception) -> str:
    """The first 300 characters of a message, without line breaks."""
    return " ".join(str(error).split())[:300]
