"""Where recipes are, and what the paths in them start from."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
HOMES = (PACKAGE, PACKAGE.parents[1])
"""Folders that may hold `recipes`: the installed package, and a clone of the repository."""
PATHS = ("root", "val_root", "teacher")
"""Entries of a recipe's sections that name something to read."""
OPTIONS = ("options", "train", "val")
"""Entries that hold options of a data set or a network."""
OPTION_PATHS = ("x", "images", "lists", "weights", "x_weights")
"""Options that name something to read."""


def find_recipe(path: Path) -> Path:
    """The file at `path`, or where none is there the one of lix, such as `recipes/own.yaml`."""
    if path.is_file() or path.parts[:1] != ("recipes",):
        return path
    return next((home / path for home in HOMES if (home / path).is_file()), path)


def resolve(entries: Any, home: Path, names: Collection[str] = PATHS) -> Any:
    """Entries of a recipe in `home`: paths that lead nowhere from here start there if that helps.

    Args:
        entries: what the file says, or a part of it.
        home: folder of the file.
        names: entries that are paths.
    """
    if isinstance(entries, list):
        return [resolve(entry, home, names) for entry in entries]
    if not isinstance(entries, dict):
        return entries
    return {
        key: _beside(value, home)
        if key in names
        else resolve(value, home, OPTION_PATHS if key in OPTIONS else names)
        for key, value in entries.items()
    }


def _beside(value: Any, home: Path) -> Any:
    if isinstance(value, list):
        return [_beside(inner, home) for inner in value]
    if not isinstance(value, str) or Path(value).exists() or not (home / value).exists():
        return value
    return str(home / value)
