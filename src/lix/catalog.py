"""Names → classes. A method, network or data set is one file; its file name is its name.

The catalog reads the source of those files instead of importing them, so that `lix --help` and
`lix list` answer without loading torch.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lix.data.sample import SegDataset
    from lix.methods.base import FeaturePair, Method
    from lix.networks.base import SegNetwork

BASES = {
    "methods": {"Method", "FeatureMethod"},
    "networks": {"SegNetwork"},
    "data": {"SegDataset"},
}
"""Package → the base classes that make a class of it an entry, as in `class KD(Method)`, unless its
name begins with an underscore."""


MANY = 60
"""So many choices an error lists at the most."""


@dataclass(frozen=True)
class Entry:
    """One catalog entry, known without importing it."""

    name: str
    module: str
    class_name: str
    summary: str
    """First sentence of the file."""

    def load(self) -> type:
        """Import the class."""
        loaded: type = getattr(import_module(self.module), self.class_name)
        return loaded


@cache
def entries(package: str) -> Mapping[str, Entry]:
    """Entries of `methods`, `networks` or `data` by name."""
    folder = Path(__file__).parent / package
    found = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if not isinstance(node, ast.ClassDef) or node.name in BASES[package]:
                continue
            if not node.name.startswith("_") and BASES[package] & set(map(ast.unparse, node.bases)):
                summary = (ast.get_docstring(tree) or "").split("\n")[0]
                module = f"lix.{package}.{path.stem}"
                found[path.stem] = Entry(path.stem, module, node.name, summary)
    return found


def find(package: str, name: str) -> Entry:
    """The entry called `name`.

    Raises:
        ValueError: no such name; the message lists the choices and the nearest.
    """
    choices = entries(package)
    if name in choices:
        return choices[name]
    kind = {"methods": "method", "networks": "network", "data": "data set"}[package]
    raise ValueError(unknown(kind, name, list(choices)))


def unknown(kind: str, name: str, choices: Sequence[str]) -> str:
    """One sentence that says `name` is unknown and names the nearest choice and all of them."""
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(choices[:MANY]) + (", …" if len(choices) > MANY else "")
    return f"Unknown {kind} {name!r}.{hint} Choose from {shown}."


def build_network(name: str, num_classes: int, x_channels: int = 0, **options: Any) -> SegNetwork:
    """Build a network by name: RGB only with `x_channels=0`, else RGB and X.

    A name such as `my_networks:build` is a Python function of your own, (num_classes, x_channels,
    **options) → network; it is run only where `LIX_ALLOW_CODE` is set (`lix --allow-code`).

    Raises:
        ValueError: unknown name or option, or code that is not allowed.

    >>> build_network("mfnet", num_classes=19).x_channels
    0
    """
    if ":" in name:
        return _checked_own(name, num_classes, x_channels, options)
    if num_classes < 1 or x_channels < 0:
        raise ValueError(
            f"A network has at least one class and no negative channels of X; got num_classes="
            f"{num_classes}, x_channels={x_channels}."
        )
    built: SegNetwork = _build(find("networks", name), options, num_classes, x_channels)
    return built


def _checked_own(
    name: str, num_classes: int, x_channels: int, options: Mapping[str, Any]
) -> SegNetwork:
    """A network of the user's function, which must be what was asked for."""
    from lix.networks.base import SegNetwork

    function = _own(name)
    try:
        inspect.signature(function).bind(num_classes, x_channels, **options)
    except TypeError as error:
        raise ValueError(
            f"{name} must take (num_classes, x_channels, **options), but for the options "
            f"{list(options)} {error}."
        ) from None
    built = function(num_classes, x_channels, **options)
    asked = {"num_classes": num_classes, "x_channels": x_channels}
    has = {key: getattr(built, key, None) for key in asked}
    if not isinstance(built, SegNetwork) or has != asked:
        raise ValueError(
            f"{name} returned a {type(built).__name__} of {has}, but was asked for {asked}; return "
            "lix.wrap(module, …) and use the arguments that are given (docs/your-model.md)."
        )
    return built


def _own(name: str) -> Callable[..., SegNetwork]:
    """The user's function behind `module:function`."""
    if not os.environ.get("LIX_ALLOW_CODE"):
        raise ValueError(f"{name!r} is Python code; if you trust it, run again with --allow-code.")
    module, _, function = name.partition(":")
    try:
        found: Callable[..., SegNetwork] = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{name!r} cannot be imported ({error}); name it as module:function, with the module "
            "in this folder or on PYTHONPATH."
        ) from None
    return found


def build_method(
    name: str,
    pairs: Sequence[FeaturePair] = (),
    num_classes: int = 0,
    *,
    preset: str | None = None,
    **options: Any,
) -> Method:
    """Build a distillation method by name; `options` win over those of the named `preset`.

    Raises:
        ValueError: unknown name, preset or option.

    >>> build_method("dkd", num_classes=19, preset="official-cifar").beta
    8.0
    """
    entry = find("methods", name)
    if preset is not None:
        presets: Mapping[str, Mapping[str, Any]] = entry.load().presets  # type: ignore[attr-defined]
        if preset not in presets:
            raise ValueError(unknown(f"preset of {name}", preset, list(presets) or ["(none)"]))
        options = merge(presets[preset], options)
    built: Method = _build(entry, options, pairs, num_classes)
    return built


def build_dataset(name: str, root: Path, **options: Any) -> SegDataset:
    """Open a data set by name.

    Raises:
        ValueError: unknown name or option.
        FileNotFoundError: the folder is not there.
    """
    built: SegDataset = _build(find("data", name), options, root)
    return built


def _build(entry: Entry, options: Mapping[str, Any], *arguments: object) -> Any:
    accepted = [
        p.name
        for p in inspect.signature(entry.load()).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for option in options:
        if option not in accepted:
            raise ValueError(unknown(f"option of {entry.name}", option, accepted or ["(none)"]))
    return entry.load()(*arguments, **_checked(entry, options))


def absolute_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a data set with absolute paths; what is wrong stays as it is."""
    from pydantic import TypeAdapter, ValidationError

    if name not in entries("data"):
        return dict(options)
    hints = get_type_hints(find("data", name).load().__init__, include_extras=True)  # type: ignore[misc]

    def placed(value: object) -> object:
        if isinstance(value, list | tuple):
            return [placed(inner) for inner in value]
        if not isinstance(value, Path):
            return value
        return str(value if value == Path("own") else value.absolute())

    found = dict(options)
    for key, value in options.items():
        if "Path" in str(hints.get(key)):
            try:
                typed = TypeAdapter(hints[key]).validate_python(value)
            except ValidationError:
                continue
            found[key] = placed(typed)
    return found


def _checked(entry: Entry, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, converted to the types that the constructor's annotations name."""
    from pydantic import TypeAdapter, ValidationError

    hints = get_type_hints(entry.load().__init__, include_extras=True)  # type: ignore[misc]
    try:
        return {name: TypeAdapter(hints[name]).validate_python(v) for name, v in options.items()}
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(
            f"Wrong option of {entry.name}, {first['input']!r}: {first['msg']}."
        ) from None


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings; `over` wins.

    >>> merge({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}})
    {'a': 1, 'b': {'c': 2, 'd': 3}}
    """
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged
