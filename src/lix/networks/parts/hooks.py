"""Feature maps of submodules, caught by hooks that live for one call; for `wrap` and timm."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

INPUT = ":input"
"""Ending of a place that stands for a submodule's first input instead of its output."""


@contextmanager
def capture(
    module: nn.Module,
    places: Mapping[str, str],
    *,
    select: Mapping[str, Callable[[Any], Tensor]] | None = None,
    added: Mapping[str, Tensor] | None = None,
    unchanged: bool = True,
) -> Iterator[dict[str, Tensor]]:
    """Collect maps while the block runs the module; copies and exceptions leave no hook.

    Args:
        module: the network that the block calls once.
        places: name of a map → path of the submodule that gives it, or `PATH:input`.
        select: name of a map → what turns the submodule's output into the map.
        added: name of a map → what is added to the output that goes on to the next layer; the
            collected map is the one before the addition.
        unchanged: refuse a map that a later layer changes in place.

    Yields:
        The maps by name in the order of `places`; complete when the block has ended.

    Raises:
        ValueError: no such submodule, one that is not called exactly once, or one whose map does
            not stay unchanged.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Tanh())
    >>> with capture(net, {"first": "0"}) as maps:
    ...     _ = net(torch.zeros(1, 3, 4, 4))
    >>> maps["first"].shape
    torch.Size([1, 8, 4, 4])
    """
    select, added = select or {}, added or {}
    calls: dict[str, list[Tensor]] = {name: [] for name in places}
    versions: dict[str, int] = {}
    maps: dict[str, Tensor] = {}

    def visit(name: str, output: Any) -> Any:
        kept = select[name](output) if name in select else output
        calls[name].append(kept)
        # Tensors of inference mode have no version.
        if isinstance(kept, Tensor) and not kept.is_inference():
            versions[name] = kept._version
        return output + added[name] if name in added else None

    handles = []
    try:
        for name, place in places.items():
            handles.append(_register(find_submodule(module, place), name, place, visit))
        yield maps
    finally:
        for handle in handles:
            handle.remove()
    for name, place in places.items():
        maps[name] = _only(name, place, calls[name])
        if unchanged and versions.get(name) not in (None, maps[name]._version):
            raise ValueError(
                f"The map {name!r} of {place!r} is changed in place by a later layer (often a "
                "ReLU); name that layer or the block around both."
            )


def find_submodule(module: nn.Module, place: str) -> nn.Module:
    """The submodule of a place.

    Raises:
        ValueError: no such submodule; the message names the nearest.
    """
    path = place.removesuffix(INPUT)
    names = [name for name, _ in module.named_modules(remove_duplicate=False) if name]
    if path not in names:
        near = difflib.get_close_matches(path, names, n=3)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else "."
        known = ", ".join(name for name in names if "." not in name)
        raise ValueError(f"The module has no {path!r}{hint} Its children are {known}.")
    return module.get_submodule(path)


def _register(submodule: nn.Module, name: str, place: str, visit: Callable[[str, Any], Any]) -> Any:
    if place.endswith(INPUT):

        def before(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            visit(name, next(iter((*arguments, *named.values())), None))

        return submodule.register_forward_pre_hook(before, with_kwargs=True)
    return submodule.register_forward_hook(lambda _, _arguments, output: visit(name, output))


def _only(name: str, place: str, calls: list[Tensor]) -> Tensor:
    if len(calls) != 1:
        raise ValueError(
            f"{place!r} is called {len(calls)} times in a pass, so {name!r} is not one map; name "
            "another submodule, or write forward=."
        )
    return calls[0]
