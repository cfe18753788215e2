"""Any `nn.Module` as a `SegNetwork`: its feature maps by name, or by a callable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.core.errors import one_line, unknown
from lix.core.types import FeatureSpec
from lix.networks.parts.base import FeatureTaps, SegNetwork
from lix.networks.parts.hooks import capture, find_submodule

Forward = Callable[[nn.Module, Tensor, Tensor | None], tuple[Any, Mapping[str, Tensor]]]


def wrap(
    module: nn.Module,
    features: Mapping[str, str] | None = None,
    *,
    x_channels: int = 0,
    size_divisor: int = 1,
    forward: Forward | None = None,
    call: Callable[[nn.Module, Tensor, Tensor | None], Any] | None = None,
    logits: Callable[[Any], Tensor] | None = None,
    select: Mapping[str, Callable[[Any], Tensor]] | None = None,
    probe: tuple[int, int] = (64, 128),
) -> SegNetwork:
    """Make a teacher or student from any module.

    Args:
        module: the network; it stays the same object, its parameters are the wrapper's.
        features: our name → the name of a submodule (`backbone.layer4`), whose output is the map,
            or `NAME:input` for its first input.
        x_channels: channels of X; 0 for a student.
        size_divisor: number of which the image's height and width must be multiples.
        forward: (module, image, x) → (output, maps by name), instead of `features`.
        call: (module, image, x) → output; default `module(image)`, or `module(image, x)`.
        logits: output → logits; default: the tensor itself, its `logits`, `"out"` or first part.
        select: name of a feature → what turns its submodule's output into a map (B, C, h, w).
        probe: height and width of an image of zeros; it and one of twice the height show the maps'
            sizes.

    Returns:
        A `SegNetwork`. Logits smaller than the image are up-sampled bilinearly. Images are RGB in
        [0, 1]: what the module needs beyond that belongs into `call`.

    Raises:
        ValueError: no such submodule, one that is called twice or not at all, or one whose output
            is not a map or is changed in place by a later layer; a module that does not take its
            input; arguments that exclude each other.

    >>> net = wrap(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 5, 1)), {"first": "0"})
    >>> net.num_classes, net.feature_specs
    (5, {'first': FeatureSpec(channels=8, stride=2)})
    """
    if size_divisor < 1:
        raise ValueError(f"size_divisor is {size_divisor}; give 1 or more.")
    if forward is None:
        places, select = dict(features or {}), dict(select or {})
        for place in places.values():
            find_submodule(module, place)
        for name in select:
            if name not in places:
                raise ValueError(unknown("feature in select", name, list(places) or ["(none)"]))
        forward = _Hooked(places, call or _call, select)
    elif features or call or select:
        raise ValueError(
            "forward= runs the module and returns its maps; leave out features, call and select."
        )
    return Wrapped(module, forward, logits or _logits, x_channels, size_divisor, probe)


class Wrapped(SegNetwork):
    """A module with the contract of a `SegNetwork`."""

    def __init__(
        self,
        module: nn.Module,
        run: Forward,
        logits: Callable[[Any], Tensor],
        x_channels: int,
        size_divisor: int,
        probe: tuple[int, int],
    ) -> None:
        super().__init__()
        self.module, self._run, self._logits = module, run, logits
        self.x_channels, self.size_divisor = x_channels, size_divisor
        self._measure(probe)

    def _forward(self, image: Tensor, x: Tensor | None, taps: FeatureTaps) -> Tensor:
        output, maps = self._run(self.module, image, x) if taps.wanted else self._bare(image, x)
        for name in self.feature_specs if taps.wanted else ():
            if name not in maps:
                raise ValueError(
                    f"forward= did not return the map {name!r}; return all maps each time."
                )
            taps(name, maps[name])
        logits = self._logits(output)
        if logits.shape[-2:] == image.shape[-2:]:
            return logits
        return F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)

    def _bare(self, image: Tensor, x: Tensor | None) -> tuple[Any, Mapping[str, Tensor]]:
        """Run the module without hooks, where no map is asked for."""
        if isinstance(self._run, _Hooked):
            return self._run.call(self.module, image, x), {}
        return self._run(self.module, image, x)

    def _get_name(self) -> str:
        return type(self.module).__name__

    @torch.no_grad()
    def _measure(self, probe: tuple[int, int]) -> None:
        """Find the number of classes and the sizes of the maps from two images of zeros."""
        height, width = (-(-side // self.size_divisor) * self.size_divisor for side in probe)
        modes = {m: m.training for m in self.module.modules()}
        self.module.eval()
        try:
            output, maps = self._try(height, width)
            taller = self._try(2 * height, width)[1] if maps else {}
        finally:
            for m, training in modes.items():
                m.training = training
        logits = self._logits(output)
        if not isinstance(logits, Tensor) or logits.ndim != 4:
            raise ValueError(
                "The output does not hold logits (B, K, h, w); say where they are with logits=."
            )
        self.num_classes = logits.shape[1]
        self.feature_specs = {n: _spec(n, f, height, width) for n, f in maps.items()}
        for name, f in taller.items():
            if _spec(name, f, 2 * height, width) != self.feature_specs[name]:
                raise _no_map(name, maps[name], height, width)
        self.default_features = tuple(maps)

    def _try(self, height: int, width: int) -> tuple[Any, Mapping[str, Tensor]]:
        like = next((p for p in self.module.parameters() if p.is_floating_point()), torch.zeros(1))
        image = like.new_zeros(1, 3, height, width)
        x = image.new_zeros(1, self.x_channels, height, width) if self.x_channels else None
        try:
            return self._run(self.module, image, x)
        except (RuntimeError, TypeError, AttributeError, LookupError, AssertionError) as error:
            reason = one_line(error, 160)
            given = tuple(image.shape) if x is None else (tuple(image.shape), tuple(x.shape))
            raise ValueError(
                f"{self._get_name()} does not run on {given} ({reason}); set x_channels, say with "
                "call= how it is called, or choose another size with probe=."
            ) from error


class _Hooked:
    """Runs a module and collects the maps of its places."""

    def __init__(
        self,
        places: Mapping[str, str],
        call: Callable[[nn.Module, Tensor, Tensor | None], Any],
        select: Mapping[str, Callable[[Any], Tensor]],
    ) -> None:
        self.places, self.call, self.select = places, call, select

    def __call__(
        self, module: nn.Module, image: Tensor, x: Tensor | None
    ) -> tuple[Any, Mapping[str, Tensor]]:
        with capture(module, self.places, select=self.select) as maps:
            output = self.call(module, image, x)
        return output, maps


def _spec(name: str, f: object, height: int, width: int) -> FeatureSpec:
    if not isinstance(f, Tensor) or f.ndim != 4:
        what = tuple(f.shape) if isinstance(f, Tensor) else type(f).__name__
        raise ValueError(
            f"The feature {name!r} is {what}, not a map (B, C, h, w); make one with select=."
        )
    strides = {round(height / f.shape[2]), round(width / f.shape[3])}
    if len(strides) > 1 or 0 in strides:
        raise _no_map(name, f, height, width)
    return FeatureSpec(f.shape[1], strides.pop())


def _no_map(name: str, f: Tensor, height: int, width: int) -> ValueError:
    return ValueError(
        f"The feature {name!r} is {tuple(f.shape)} for an image of {height}x{width}, which is "
        "not a map in NCHW order; turn it into one with select=."
    )


def _call(module: nn.Module, image: Tensor, x: Tensor | None) -> Any:
    return module(image) if x is None else module(image, x)


def _logits(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping) and "out" in output:
        return output["out"]
    if hasattr(output, "logits"):
        return output.logits
    return output[0] if isinstance(output, Sequence) else output
