"""A trained network on disk: its weights, and what is needed to build and to use it again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from lix.networks import build_network
from lix.networks.parts.base import SegNetwork
from lix.networks.parts.weights import UNREADABLE
from lix.runs.folder import RunFolder

KEY, PREFIX = "lix", "network."
"""Where a training checkpoint holds the `NetworkSpec`, and what its weights' names begin with."""


@dataclass(frozen=True)
class NetworkSpec:
    """All that is needed to build a trained network again and to read what it says."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    size: tuple[int, int]
    """Height and width it was trained at."""
    x_kind: str | None = None
    """Kind of X a teacher sees; None for a student."""
    x_channels: int = 0
    x_encoding: str = "log"
    options: Mapping[str, Any] = field(default_factory=dict)
    x_spans: tuple[tuple[float, float] | None, ...] = ()
    """Where the encoding of each X begins and ends (`lix.data.encode`); empty: the defaults."""

    def build(self) -> SegNetwork:
        """A network of this kind with fresh weights."""
        return build_network(self.name, len(self.classes), self.x_channels, **self.options)

    def as_dict(self) -> dict[str, Any]:
        """Plain types alone, so that the checkpoint loads with `weights_only`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> NetworkSpec:
        """The inverse of `as_dict`."""
        tuples = {
            "classes": tuple(stored["classes"]),
            "palette": tuple((int(r), int(g), int(b)) for r, g, b in stored["palette"]),
            "size": tuple(stored["size"]),
            "x_spans": tuple(span and tuple(span) for span in stored.get("x_spans", ())),
        }
        return cls(**{**stored, **tuples})


def checkpoint_file(path: Path | str) -> Path:
    """The checkpoint of a run folder (its best one), or the file itself.

    Raises:
        FileNotFoundError: nothing there.
    """
    file = RunFolder(path).best if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is missing; name a run folder whose training has finished an epoch, "
            "or a .ckpt or .safetensors file."
        )
    return file


def load_network(path: Path | str) -> tuple[SegNetwork, NetworkSpec]:
    """Load a trained network from a run folder (its best checkpoint) or a checkpoint file.

    Returns:
        The network in eval mode on the CPU, and its spec.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: the file is damaged or no checkpoint of lix.
    """
    file = checkpoint_file(path)
    try:
        spec, weights = _read(file)
    except UNREADABLE as error:
        raise _damaged(file, error) from None
    network = spec.build()
    try:
        network.load_state_dict(weights)
    except UNREADABLE as error:
        raise _damaged(file, error) from None
    return network.eval(), spec


def _damaged(file: Path, error: Exception) -> ValueError:
    reason = " ".join(str(error).split())[:120]
    return ValueError(
        f"{file} is damaged or no checkpoint of lix ({reason}); train again or copy it anew."
    )


def _read(file: Path) -> tuple[NetworkSpec, dict[str, Tensor]]:
    if file.suffix == ".safetensors":
        with safe_open(file, framework="pt") as opened:
            spec = NetworkSpec.from_dict(json.loads(opened.metadata()[KEY]))
            return spec, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about foreign pickles, which are refused
        stored = torch.load(file, map_location="cpu", weights_only=True)
    weights = stored["state_dict"].items()
    spec = NetworkSpec.from_dict(stored[KEY])
    return spec, {k.removeprefix(PREFIX): v for k, v in weights if k.startswith(PREFIX)}
