"""Recipes that lix ships, for those who have no clone of the repository."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
HOMES = (PACKAGE, PACKAGE.parents[1])
"""Folders that may hold `recipes`: the installed package, and a clone of the repository."""


def find_recipe(path: Path) -> Path:
    """The file at `path`, or where none is there the one of lix, such as `recipes/own.yaml`."""
    if path.is_file() or path.parts[:1] != ("recipes",):
        return path
    return next((home / path for home in HOMES if (home / path).is_file()), path)
