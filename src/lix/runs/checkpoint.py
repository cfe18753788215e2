"""A trained network on disk: its weights, and what is needed to build and to use it again."""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import safe_open
from torch import Tensor

from lix.core.errors import one_line
from lix.core.json_text import parse_json
from lix.networks import build_network
from lix.networks.parts.base import SegNetwork
from lix.networks.parts.weights import UNREADABLE, not_finite
from lix.runs.folder import RunFolder
from lix.runs.recipe import explain_validation

KEY, PREFIX = "lix", "network."
"""Where a training checkpoint holds the `NetworkSpec`, and what its weights' names begin with."""
CHECKSUM = "lix_checksum"
"""Where a file holds the checksum of its `NetworkSpec` and its weights."""

Byte = Annotated[int, Field(ge=0, le=255)]
Pixels = Annotated[int, Field(ge=1, le=1 << 15)]


@dataclass(frozen=True)
class NetworkSpec:
    """All that is needed to build a trained network again and to read what it says."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    classes: Annotated[tuple[str, ...], Field(min_length=1, max_length=255)]
    palette: tuple[tuple[Byte, Byte, Byte], ...]
    size: tuple[Pixels, Pixels]
    """Height and width it was trained at."""
    x_kind: str | None = None
    """Kind of X a teacher sees; None for a student."""
    x_channels: Annotated[int, Field(ge=0, le=1024)] = 0
    x_encoding: str = "log"
    options: Mapping[str, Any] = field(default_factory=dict)
    x_spans: tuple[tuple[float, float] | None, ...] = ()
    """Where the encoding of each X begins and ends (`lix.data.encode`); empty: the defaults."""

    def build(self) -> SegNetwork:
        """A network of this kind with fresh weights."""
        return build_network(self.name, len(self.classes), self.x_channels, **self.options)

    def as_dict(self) -> dict[str, Any]:
        """Only plain types, so that the checkpoint loads with `weights_only`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: object) -> NetworkSpec:
        """The inverse of `as_dict`.

        Raises:
            ValueError: a wrong entry; one sentence that names it.
        """
        if not isinstance(stored, Mapping):
            raise ValueError("its description has no entries")  # noqa: TRY004
        try:
            spec = _spec_reader().validate_python(stored)
        except ValidationError as error:
            raise ValueError(explain_validation(error)) from None
        if len(spec.palette) != len(spec.classes):
            raise ValueError(f"{len(spec.classes)} classes but {len(spec.palette)} colours")
        return spec


@cache
def _spec_reader() -> TypeAdapter[NetworkSpec]:
    return TypeAdapter(NetworkSpec)


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
        ValueError: the file is damaged or not a checkpoint of lix.
    """
    file = checkpoint_file(path)
    stored = read_stored(file)
    # The build draws random weights, which takes longer than the check.
    with ThreadPoolExecutor(1) as pool:
        check = pool.submit(stored.verify, file)
        try:
            spec = NetworkSpec.from_dict(stored.facts)
        except ValueError as error:
            raise _damaged(file, error) from None
        network = _built(spec, file)
        wrong = check.result()
    weights = stored.weights
    try:
        for name in wrong:  # a buffer may be a constant, such as a mask of -inf
            if not torch.equal(network.state_dict()[name], weights[name]):
                raise ValueError(f"the weights {name} are NaN or infinite")
        network.load_state_dict(weights)
    except UNREADABLE as error:
        raise _damaged(file, error) from None
    return network.eval(), spec


def _built(spec: NetworkSpec, file: Path) -> SegNetwork:
    try:
        return spec.build()
    except ValueError as error:  # such as code of the user's own that is not allowed
        raise ValueError(f"{file}: {error}") from None
    except UNREADABLE as error:
        raise _damaged(file, error) from None


class Stored(NamedTuple):
    """What a file holds."""

    facts: Any
    """The `NetworkSpec` in plain types."""
    tensors: Mapping[str, Tensor]
    """The weights of the network and, in a training checkpoint, of the method."""
    checksum: str | None
    """None in files that lix has not written."""

    @property
    def weights(self) -> dict[str, Tensor]:
        """The network's weights by their names in the network."""
        return {
            name.removeprefix(PREFIX): value
            for name, value in self.tensors.items()
            if name.startswith(PREFIX)
        }

    def verify(self, file: Path) -> list[str]:
        """Compare with the checksum; returns names of the network's weights that are not finite.

        Raises:
            ValueError: something was changed since lix wrote the file.
        """
        if self.checksum is not None and self.checksum != checksum(self.facts, self.tensors):
            raise _damaged(file, ValueError(f"it does not fit its {CHECKSUM}"))
        return not_finite(self.weights)


def checksum(facts: object, tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 of a description and of the names, types, shapes and values of tensors."""
    named = sorted(tensors.items())
    shapes = [(name, str(tensor.dtype), tuple(tensor.shape)) for name, tensor in named]
    crc = zlib.crc32(json.dumps([facts, shapes], sort_keys=True, default=str).encode())
    for _, tensor in named:
        values = tensor.detach().cpu().contiguous().reshape(-1)
        crc = zlib.crc32(values.view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


def read_stored(file: Path) -> Stored:
    """Read a checkpoint file without building its network; it is not yet verified.

    Raises:
        ValueError: the file is damaged or not a checkpoint of lix.
    """
    try:
        return _read(file)
    except UNREADABLE as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> ValueError:
    reason = one_line(error, 120)
    return ValueError(
        f"{file} is damaged or not a checkpoint of lix ({reason}); train again or copy it anew."
    )


def _read(file: Path) -> Stored:
    if file.suffix == ".safetensors":
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata()
            tensors = {PREFIX + key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
            return Stored(parse_json(metadata[KEY]), tensors, metadata.get(CHECKSUM))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about foreign pickles, which are refused
        stored = torch.load(file, map_location="cpu", weights_only=True)
    tensors = dict(stored["state_dict"])
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in tensors.items()):
        raise TypeError("its state_dict does not hold tensors by name")
    return Stored(stored[KEY], tensors, stored.get(CHECKSUM))
