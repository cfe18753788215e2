"""Names → classes: every file of a catalogue folder is an entry, its file name is its name.

Entries are listed from the files' names and first lines, so that `lix --help` and `lix list` answer
without loading torch. `module:Name` is the user's own class or function.
"""

from __future__ import annotations

import ast
import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_type_hints

from lix.core.errors import unknown

Catalog = Literal["methods", "networks", "datasets", "backends"]


class Kind(NamedTuple):
    """A catalogue of entries."""

    noun: str
    """Name of an entry in messages."""
    package: str
    """Package whose files are the entries."""
    base: str
    """Base class of the entries, as `module:Class`."""


KINDS: dict[str, Kind] = {
    "methods": Kind("method", "lix.methods", "lix.methods.parts.base:Method"),
    "networks": Kind("network", "lix.networks", "lix.networks.parts.base:SegNetwork"),
    "datasets": Kind("data set", "lix.data.sets", "lix.data.dataset:SegDataset"),
    "backends": Kind("engine", "lix.deploy.backends", "lix.deploy.backend:Backend"),
}


@dataclass(frozen=True)
class Entry:
    """One catalogue entry, known without importing it."""

    kind: Kind
    name: str
    summary: str = ""
    """First line of the file."""

    def load(self) -> Any:
        """Import the class.

        Raises:
            ValueError: the user's own class or function cannot be imported.
            TypeError: a file of lix holds no public class of its kind, or several.
        """
        if ":" in self.name:
            return _imported(self.name)
        module = import_module(f"{self.kind.package}.{self.name}")
        base = _imported(self.kind.base)
        classes = {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, base) and not name.startswith("_")
            if value.__module__ == module.__name__
        }
        if len(classes) != 1:
            raise TypeError(
                f"{module.__file__} holds {', '.join(classes) or 'nothing'} where one public class "
                f"derived from {base.__name__} must be; let other names begin with _."
            )
        return next(iter(classes.values()))


@cache
def entries(catalog: Catalog) -> Mapping[str, Entry]:
    """The entries of a catalogue by name."""
    kind = KINDS[catalog]
    folder = Path(__file__).parents[2].joinpath(*kind.package.split("."))
    names = sorted(path for path in folder.glob("*.py") if path.stem != "__init__")
    return {path.stem: Entry(kind, path.stem, _first_line(path)) for path in names}


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return (docstring or "").split("\n")[0]


def find(catalog: Catalog, name: str) -> Entry:
    """The entry called `name`; `module:Name` is the user's own code.

    Raises:
        ValueError: no such name (the message lists the choices and the nearest), or code that is
            not allowed.
    """
    kind, choices = KINDS[catalog], entries(catalog)
    if ":" in name:
        require_allowed(name)
        return Entry(kind, name)
    if name not in choices:
        raise ValueError(unknown(kind.noun, name, list(choices)))
    return choices[name]


def safe_path() -> dict[str, str]:
    """Variables that keep the current folder off the path of Python processes (from 3.11 on)."""
    return {} if os.environ.get("LIX_ALLOW_CODE") else {"PYTHONSAFEPATH": "1"}


def require_allowed(name: str) -> None:
    """Refuse the user's own code unless `lix --allow-code` or `LIX_ALLOW_CODE` allows it."""
    if not os.environ.get("LIX_ALLOW_CODE"):
        raise ValueError(f"{name!r} is Python code; if you trust it, run again with --allow-code.")


def _imported(name: str) -> Any:
    """Import the attribute that `module:Name` names."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{name!r} cannot be imported ({error}); name it as module:Name, with the module in "
            "this folder or on PYTHONPATH."
        ) from None


def build(entry: Entry, options: Mapping[str, Any], *arguments: object) -> Any:
    """Build an entry's class with checked options.

    Raises:
        ValueError: an option that it does not take, a value of the wrong type, or the user's own
            class if it is not a subclass of the catalogue's base class.
    """
    cls, base = entry.load(), _imported(entry.kind.base)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ValueError(  # noqa: TRY004 - what the user named is a wrong value
            f"{entry.name} is not a subclass of {base.__name__}; derive it from that."
        )
    return cls(*arguments, **checked_options(entry.name, cls, options))


def checked_options(name: str, cls: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options converted to the types that the keyword-only arguments of a class name.

    Raises:
        ValueError: an option that the class does not take, or a value of the wrong type.
    """
    if not options:
        return {}
    from pydantic import TypeAdapter, ValidationError

    accepted = option_names(cls)
    for option in options:
        if option not in accepted:
            raise ValueError(unknown(f"option of {name}", option, accepted or ["(none)"]))
    hints = get_type_hints(cls.__init__, include_extras=True)
    try:
        return {key: TypeAdapter(hints[key]).validate_python(v) for key, v in options.items()}
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"Wrong option of {name}, {first['input']!r}: {first['msg']}.") from None


def option_names(cls: Any) -> Sequence[str]:
    """The keyword-only arguments of a class."""
    parameters = inspect.signature(cls).parameters.values()
    return [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]


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
