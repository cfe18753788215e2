"""ONNX models in ONNX Runtime, whose errors become sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


def open_session(
    model: Path | bytes, threads: int = 1, providers: Sequence[str] = PROVIDERS
) -> Any:
    """An `onnxruntime.InferenceSession`, on the first of the providers that is there.

    Args:
        model: its file or content.
        threads: within an operator.
        providers: of ONNX Runtime, the preferred one first.

    Raises:
        ValueError: the file is missing, damaged or no model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    there = onnxruntime.get_available_providers()
    content = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(
            content, options, providers=[p for p in providers if p in there]
        )
    except session_errors() as error:
        name = "This" if isinstance(model, bytes) else model
        raise ValueError(
            f"{name} is no model that ONNX Runtime loads ({one_line(error)}); export it again."
        ) from None


def session_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its exceptions have no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (kind for kind in vars(state).values() if isinstance(kind, type))
    return tuple(kind for kind in kinds if issubclass(kind, Exception))


def one_line(error: Exception) -> str:
    """The beginning of a message without its line breaks."""
    return " ".join(str(error).split())[:300]
