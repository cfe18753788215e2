"""A timm backbone that gives its maps, and adds others to them while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lix.core.errors import require, unknown
from lix.networks.parts.hooks import capture
from lix.networks.parts.weights import UNREADABLE, fitting, read_weights


class TimmStages(nn.Module):
    """The levels of a timm backbone, for `DuplexNet`.

    Args:
        backbone: name of a timm model, with or without a tag of its weights.
        inputs: channels of the input.
        weights: file of its weights in timm's names; None: random.

    Raises:
        ImportError: timm is not installed.
        FileNotFoundError: no such file.
        ValueError: no such backbone, one that does not fit, or weights of another.
    """

    def __init__(self, backbone: str, inputs: int, weights: Path | None) -> None:
        super().__init__()
        self.trunk = _create(backbone, inputs)
        info = self.trunk.feature_info
        self.widths, self.strides = tuple(info.channels()), tuple(info.reduction())
        if any(fine * 2 != coarse for fine, coarse in pairwise(self.strides)):
            raise ValueError(
                f"The levels of {backbone} have strides {self.strides}; DuplexNet needs each to be "
                "twice the one before: choose a hierarchical backbone."
            )
        self.places = [_place(self.trunk, name, backbone) for name in info.module_name()]
        self.channels_last = self._probe(backbone, inputs)
        if weights is not None:
            self._load(backbone, inputs, Path(weights))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps, (B, C, h, w) each."""
        return [self.nchw(level, f) for level, f in enumerate(self.trunk(image))]

    def raw(
        self, image: Tensor, added: Sequence[Tensor] | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the levels' own maps, in the backbone's layout, and the maps after addition."""
        places = {str(level): place for level, place in enumerate(self.places)}
        to_add = {str(level): f for level, f in enumerate(added or ())}
        # MobileNets activate the map of their first level in place after it was given.
        with capture(self.trunk, places, added=to_add, unchanged=False) as maps:
            fused = self(image)
        return list(maps.values()), fused

    def nchw(self, level: int, f: Tensor) -> Tensor:
        """A map of this level as (B, C, h, w); some Transformers keep channels last."""
        return f.permute(0, 3, 1, 2) if self.channels_last[level] else f

    @torch.no_grad()
    def _probe(self, backbone: str, inputs: int) -> tuple[bool, ...]:
        """Whether each level keeps channels last, from an image that is not square."""
        height, width = 2 * self.strides[-1], 3 * self.strides[-1]
        device = next(self.parameters()).device
        training = self.training
        self.trunk.eval()
        try:
            maps = self.trunk(torch.zeros(1, inputs, height, width, device=device))
        except (*UNREADABLE, AssertionError) as error:
            reason = " ".join(str(error).split())[:120]
            raise ValueError(
                f"{backbone} of timm does not take an image of {height}x{width} ({reason}); "
                "DuplexNet needs a backbone that takes any size, such as resnet18."
            ) from None
        finally:
            self.trunk.train(training)
        found = []
        for f, channels, stride in zip(maps, self.widths, self.strides, strict=True):
            size = (height // stride, width // stride)
            if tuple(f.shape) not in ((1, channels, *size), (1, *size, channels)):
                raise ValueError(
                    f"{backbone} of timm gives a map of {tuple(f.shape)} where {channels} channels "
                    f"of {size} are declared; choose another backbone, such as resnet18."
                )
            found.append(tuple(f.shape) != (1, channels, *size))
        return tuple(found)

    def _load(self, backbone: str, inputs: int, file: Path) -> None:
        """Fill the trunk; timm's cut models spell `stages.0` as `stages_0` or `model.stages.0`."""
        stored = {_flat(name): value for name, value in read_weights(file).items()}
        own = {_flat(name.removeprefix("model.")): name for name in self.trunk.state_dict()}
        required = {flat: self.trunk.state_dict()[name] for flat, name in own.items()}
        for flat, value in required.items():
            given = stored.get(flat)
            if inputs != 3 and given is not None and given.shape[1:2] == (3,) != value.shape[1:2]:
                mean = given.mean(dim=1, keepdim=True)
                stored[flat] = mean.expand(-1, inputs, *mean.shape[2:])
        chosen = fitting(stored, required, backbone, file)
        self.trunk.load_state_dict({own[flat]: value for flat, value in chosen.items()})


def _create(backbone: str, inputs: int) -> Any:
    require("models", "timm")
    import timm

    known = timm.list_models()
    if backbone.partition(".")[0] not in known:
        raise ValueError(unknown("timm backbone", backbone, known))
    options = {"pretrained": False, "features_only": True, "in_chans": inputs}
    try:
        return timm.create_model(backbone, **options, strict_img_size=False)  # Swin's
    except TypeError:
        pass
    try:
        return timm.create_model(backbone, **options)
    except (*UNREADABLE, AssertionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(
            f"timm cannot give the levels of {backbone} ({reason}); choose a hierarchical "
            "backbone, such as resnet18."
        ) from None


def _place(trunk: nn.Module, name: str, backbone: str) -> str:
    """Path of a level's last module in the trunk."""
    there = dict(trunk.named_modules())
    for place in (name, f"model.{name}", name.replace(".", "_")):
        if place in there:
            return place
    raise ValueError(
        f"{backbone} of timm cannot be cut at {name!r}; choose another backbone, such as resnet18."
    )


def _flat(name: str) -> str:
    return name.replace(".", "_")
