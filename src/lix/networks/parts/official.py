"""Weights in the authors' own format, for the networks whose layers can be matched by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lix.networks.mfnet import MFNet
from lix.networks.parts.base import SegNetwork
from lix.networks.parts.weights import read_weights
from lix.networks.sne_roadseg import SNERoadSeg

COUNTER = ".num_batches_tracked"
"""Old PyTorch did not save these counts of batch norm, and inference does not use them."""


class Loaded(NamedTuple):
    """How the parameters and buffers of a network and of a file match."""

    matched: tuple[str, ...]
    """Names in the network that the file filled."""
    missing: tuple[str, ...]
    """Names in the network that the file lacks: they stay as they were."""
    other_shape: tuple[str, ...]
    """Names in the network whose shape differs in the file: they stay as they were."""
    unused: tuple[str, ...]
    """Names in the file that the network lacks."""

    def __str__(self) -> str:
        total = len(self.matched) + len(self.missing) + len(self.other_shape)
        lines = [f"{len(self.matched)} of {total} tensors loaded"]
        for what in ("missing", "other_shape", "unused"):
            names = getattr(self, what)
            if names:
                more = ", …" if len(names) > 4 else ""
                shown = ", ".join(names[:4])
                lines.append(f"{what.replace('_', ' ')}: {len(names)} ({shown}{more})")
        return "; ".join(lines)


def load_official(network: SegNetwork, path: Path | str) -> Loaded:
    """Fill a network from a checkpoint of haqishen/MFNet-pytorch or hlwang1124/SNE-RoadSeg.

    Their heads are norm and activation too: build the network with `head="official"` to take all.

    Args:
        network: MFNet or SNE-RoadSeg, teacher or student; changed in place.
        path: local file; only tensors are read from it, never code.

    Returns:
        The names that matched and that did not; print it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another network, a damaged file, or a file in which nothing fits.
    """
    rename = RULES.get(type(network))
    if rename is None:
        names = " and ".join(cls.__name__ for cls in RULES)
        raise ValueError(f"Official checkpoints are known for {names} only.")
    stored = {rename(name): value for name, value in read_weights(Path(path)).items()}
    own = network.state_dict()
    same = {k for k, v in own.items() if k in stored and stored[k].shape == v.shape}
    if not same:
        raise ValueError(f"Nothing in {path} fits {type(network).__name__}; check the file.")
    network.load_state_dict({k: stored[k] for k in same}, strict=False)
    return Loaded(
        matched=tuple(k for k in own if k in same),
        missing=tuple(k for k in own if k not in stored and not k.endswith(COUNTER)),
        other_shape=tuple(k for k in own if k in stored and k not in same),
        unused=tuple(k for k in stored if k not in own),
    )


def _mfnet(name: str) -> str:
    """`conv4_rgb.conv2_left.bn.weight` → `rgb_encoder.stages.3.plain.1.1.weight`."""
    name = re.sub(r"\.conv\.(?=weight|bias)", ".0.", name)
    name = re.sub(r"\.bn\.", ".1.", name)
    name = re.sub(r"^decode1\.", "head.", name)
    match = re.match(r"conv(\d)(?:_(\d))?_(rgb|inf)\.(?:conv(\d)_(left|right)\.)?", name)
    if not match:
        return name
    stage, block, stream, pair, side = match.groups()
    place = f"{'rgb' if stream == 'rgb' else 'x'}_encoder.stages.{int(stage) - 1}."
    if block:
        place += f"{int(block) - 1}."
    if pair:
        place += f"{'plain' if side == 'left' else 'dilated'}.{int(pair) - 1}."
    return place + name[match.end() :]


def _sne_roadseg(name: str) -> str:
    """`up3_1.bn1.bias` → `decoder.ups.2_2.1.bias`, `encoder_another_layer2.0` → `x_encoder…`."""
    if match := re.match(r"encoder_(rgb|another)_(conv1|bn1|layer\d)\.", name):
        stream, part = match.groups()
        level = {"conv1": "0.0", "bn1": "0.1", "layer1": "1.1"}.get(part) or part[-1]
        encoder = "rgb_encoder" if stream == "rgb" else "x_encoder"
        return f"{encoder}.stages.{level}.{name[match.end() :]}"
    if match := re.match(r"conv(\d)_(\d)\.(conv|bn)(\d)\.", name):
        i, j, layer, which = match.groups()
        inner = f"{int(which) - 1}.{'0' if layer == 'conv' else '1'}"
        return f"decoder.nodes.{i}_{j}.{inner}.{name[match.end() :]}"
    if match := re.match(r"(?:up(\d)_(\d)|final)\.(conv|bn)1\.", name):
        below, j, layer = match.groups()
        place = f"ups.{int(below) - 1}_{int(j) + 1}" if below else "head"
        return f"decoder.{place}.{'0' if layer == 'conv' else '1'}.{name[match.end() :]}"
    return name


RULES: dict[type[SegNetwork], Callable[[str], str]] = {MFNet: _mfnet, SNERoadSeg: _sne_roadseg}
