"""A timm backbone that gives its maps, for the networks built on one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lix.core.errors import one_line, require, unknown
from lix.networks.parts.weights import UNREADABLE, fitting, read_weights

ANY_SIZE = ({"strict_img_size": False}, {"dynamic_img_size": True})
"""Options that make Swin and plain ViTs take images of any size; other backbones have none."""


class TimmStages(nn.Module):
    """The levels of a timm backbone.

    Args:
        backbone: name of a timm model, with or without a tag of its weights.
        inputs: channels of the input.
        weights: file of its weights in timm's names; a stem of other than three channels gets the
            mean over the RGB stem. None: random.
        levels: the number of levels to give, the deepest; None: those that timm gives by default.

    Raises:
        ImportError: timm is not installed.
        FileNotFoundError: no such file.
        ValueError: no such backbone, one that does not fit, or weights of another.
    """

    def __init__(
        self, backbone: str, inputs: int, weights: Path | None, *, levels: int | None = None
    ) -> None:
        super().__init__()
        self.trunk = _create(backbone, inputs, levels)
        info = self.trunk.feature_info
        self.widths, self.strides = tuple(info.channels()), tuple(info.reduction())
        self.channels_last = self._probe(backbone, inputs)
        if weights is not None:
            self._load(backbone, inputs, Path(weights))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps, (B, C, h, w) each."""
        return [self.nchw(level, f) for level, f in enumerate(self.trunk(image))]

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
            reason = one_line(error, 120)
            raise ValueError(
                f"{backbone} of timm does not take an image of {height}x{width} ({reason}); "
                "choose a backbone that takes any size, such as resnet18."
            ) from None
        finally:
            self.trunk.train(training)
        channels_last = []
        for f, channels, stride in zip(maps, self.widths, self.strides, strict=True):
            size = (height // stride, width // stride)
            if tuple(f.shape) not in ((1, channels, *size), (1, *size, channels)):
                raise ValueError(
                    f"{backbone} of timm gives a map of {tuple(f.shape)} where {channels} channels "
                    f"of {size} are declared; choose another backbone, such as resnet18."
                )
            channels_last.append(tuple(f.shape) != (1, channels, *size))
        return tuple(channels_last)

    def _load(self, backbone: str, inputs: int, file: Path) -> None:
        """Fill the trunk; timm's cut models spell `stages.0` as `stages_0` or `model.stages.0`."""
        stored = {_flat(name): value for name, value in read_weights(file).items()}
        own = {_flat(name.removeprefix("model.")): name for name in self.trunk.state_dict()}
        required = {flat: self.trunk.state_dict()[name] for flat, name in own.items()}
        for flat, value in required.items():
            loaded = stored.get(flat)
            if inputs != 3 and loaded is not None and loaded.shape[1:2] == (3,) != value.shape[1:2]:
                mean = loaded.mean(dim=1, keepdim=True)
                stored[flat] = mean.expand(-1, inputs, *mean.shape[2:])
        chosen = fitting(stored, required, backbone, file)
        self.trunk.load_state_dict({own[flat]: value for flat, value in chosen.items()})


def _create(backbone: str, inputs: int, levels: int | None) -> Any:
    require("models", "timm")
    import timm

    names = timm.list_models()
    if backbone.partition(".")[0] not in names:
        raise ValueError(unknown("timm backbone", backbone, names))
    options: dict[str, Any] = {"pretrained": False, "features_only": True, "in_chans": inputs}
    if levels is not None:
        options["out_indices"] = levels
    try:
        for any_size in ANY_SIZE:
            with suppress(TypeError):
                return timm.create_model(backbone, **options, **any_size)
        return timm.create_model(backbone, **options)
    except (*UNREADABLE, AssertionError) as error:
        reason = one_line(error, 120)
        raise ValueError(
            f"timm cannot give the levels of {backbone} ({reason}); choose another backbone, such "
            "as resnet18."
        ) from None


def _flat(name: str) -> str:
    return name.replace(".", "_")
