"""The names that `import lix` offers."""

from __future__ import annotations

import ast
from pathlib import Path

import lix


def test_names_are_the_same_for_type_checkers() -> None:
    (block,) = (n for n in ast.parse(Path(lix.__file__).read_text()).body if isinstance(n, ast.If))
    typed = {n.asname: found.module for found in block.body for n in found.names if n.asname}
    assert typed == lix._EXPORTS
    assert all(getattr(lix, name).__name__ == name for name in typed)
