"""Weights made elsewhere, read from local files; nothing is ever downloaded."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lix.core.errors import one_line

UNREADABLE = (
    RuntimeError,
    EOFError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    ValueError,
    OSError,
    pickle.UnpicklingError,
    SafetensorError,
)
"""Exceptions of readers where a file is truncated, foreign or not a checkpoint."""

SMALL = 1 << 17
"""Number of values below which tensors are checked together: a call takes longer than they do."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Parameters by name from a `.safetensors` file or a PyTorch checkpoint.

    A checkpoint is read without running code in it. One that holds the parameters under
    `state_dict` or `model` is unwrapped, and the prefix `module.` of data-parallel training is
    dropped.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"The weights {path} are missing; check the path.")
    try:
        if path.suffix == ".safetensors":
            stored: Any = load_file(path)
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ValueError(
            f"{path} is damaged or not a file of weights ({one_line(error, 120)})."
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(stored, Mapping) and isinstance(stored.get(key), Mapping):
            stored = stored[key]
    if not isinstance(stored, Mapping) or not all(isinstance(v, Tensor) for v in stored.values()):
        raise ValueError(f"{path} does not hold weights by name; save a module's state_dict().")
    weights = {name.removeprefix("module."): value for name, value in stored.items()}
    if wrong := not_finite(weights):
        raise ValueError(f"{path} cannot be used: the weights {wrong[0]} are NaN or infinite.")
    return weights


def not_finite(weights: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights of which some are NaN or infinite."""
    floating = {k: v.flatten() for k, v in weights.items() if v.is_floating_point()}
    small = [values for values in floating.values() if len(values) < SMALL]
    large = [values for values in floating.values() if len(values) >= SMALL]
    if all(_is_finite(values) for values in ([torch.cat(small)] if small else []) + large):
        return []
    return [name for name, values in floating.items() if not _is_finite(values)]


def _is_finite(values: Tensor) -> bool:
    # One pass without a copy, ten times as fast as isfinite().all(); NaN passes through.
    return not len(values) or all(bound.isfinite() for bound in values.aminmax())


def load_backbone(trunk: nn.Module, name: str, weights: Path | str) -> None:
    """Fill a torchvision backbone from a file of its ImageNet weights.

    Args:
        trunk: the backbone, with its classifier.
        name: its name in torchvision.
        weights: a file, or `imagenet` for the one in torch's cache.

    Raises:
        FileNotFoundError: no such file; for `imagenet` the message says how to get it.
        ValueError: weights of another network.
    """
    file = _cached(name) if weights == "imagenet" else Path(weights)
    required = {k: v for k, v in trunk.state_dict().items() if not k.startswith("fc.")}
    trunk.load_state_dict(fitting(read_weights(file), required, name, file), strict=False)


def fitting(
    stored: Mapping[str, Tensor], required: Mapping[str, Tensor], name: str, file: Path
) -> dict[str, Tensor]:
    """Select the weights of a file that a network needs.

    Args:
        stored: weights of the file by name.
        required: the network's parameters and buffers by name.
        name: name of the network in messages.
        file: the file that messages name.

    Raises:
        ValueError: some are missing or of another shape.
    """
    wrong = [k for k, v in required.items() if k not in stored or stored[k].shape != v.shape]
    if wrong:
        raise ValueError(
            f"{file} does not hold weights of {name}: {len(wrong)} of {len(required)} parameters "
            f"are missing or of another shape, such as {wrong[0]}."
        )
    return {key: stored[key] for key in required}


def _cached(name: str) -> Path:
    from torchvision.models import get_model_weights

    url: str = get_model_weights(name)["IMAGENET1K_V1"].url
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file():
        raise FileNotFoundError(
            f"The ImageNet weights {file} are missing, and lix downloads nothing; let torchvision "
            f"do it, torchvision.models.{name}(weights='IMAGENET1K_V1'), or name a file."
        )
    return file
