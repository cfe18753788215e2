"""Extension of griffe for the API page: `from a import b as b` makes b public, as for mypy."""

from __future__ import annotations

import ast
from typing import Any

import griffe


class Reexports(griffe.Extension):
    """Marks re-exported names as public, and helpers that a module only uses as private."""

    def on_module_members(self, *, node: Any, mod: griffe.Module, **_: Any) -> None:
        """Mark the names that a module imports."""
        for statement in ast.walk(node):
            if isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    if alias.asname == alias.name and alias.name in mod.members:
                        mod.members[alias.name].public = True
