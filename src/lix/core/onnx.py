"""ONNX models in ONNX Runtime, for exported students and for depth models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lix.core.errors import one_line
from lix.core.onnx_file import verify

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


SUFFIX = "ExecutionProvider"
ALIASES = {"directml": "dml"}
"""Names of providers that users know by another than ONNX Runtime's."""


def execution_provider(name: str) -> str:
    """ONNX Runtime's name of an execution provider, such as `TensorrtExecutionProvider`.

    Args:
        name: that name, or short and in any case, as in `tensorrt`.

    Raises:
        ValueError: this ONNX Runtime has none of that name.
    """
    import onnxruntime

    short = {p.removesuffix(SUFFIX).lower(): p for p in onnxruntime.get_available_providers()}
    wanted = name.removesuffix(SUFFIX).lower()
    wanted = ALIASES.get(wanted, wanted)
    if wanted not in short:
        raise ValueError(
            f"The ONNX Runtime that is installed has no provider {name!r}, only "
            f"{', '.join(sorted(short))}; install a build that has it, such as onnxruntime-gpu "
            "for cuda and tensorrt, or onnxruntime-directml."
        )
    return short[wanted]


def open_session(
    model: Path | bytes, threads: int = 1, providers: Sequence[str] = PROVIDERS
) -> Any:
    """Open an `onnxruntime.InferenceSession` on the first provider that is available.

    Args:
        model: file or content of the model.
        threads: number of threads within an operator.
        providers: execution providers of ONNX Runtime, the preferred one first.

    Raises:
        ValueError: the file is missing, damaged, changed since lix wrote it, not a model, or its
            weights are in another file or not finite.
    """
    import onnxruntime

    name = "This" if isinstance(model, bytes) else str(model)
    content = model if isinstance(model, bytes) else _verified(model)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    available = onnxruntime.get_available_providers()
    try:
        session = onnxruntime.InferenceSession(
            content, options, providers=[p for p in providers if p in available]
        )
        dict(session.get_modelmeta().custom_metadata_map)  # text that is not UTF-8 fails here
    except session_errors() as error:
        raise ValueError(
            f"{name} is not a model that ONNX Runtime loads ({one_line(error)}); export it again."
        ) from None
    return session


def _verified(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        verify(content)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path} cannot be used ({reason}); export it again.") from None
    return content


def session_errors() -> tuple[type[Exception], ...]:
    """Exceptions of ONNX Runtime, which have no common base class, and of names not in UTF-8."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (kind for kind in vars(state).values() if isinstance(kind, type))
    return (UnicodeDecodeError, *(kind for kind in kinds if issubclass(kind, Exception)))
