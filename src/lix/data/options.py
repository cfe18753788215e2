"""Options of data sets that take one value or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator


def several(value: object) -> object:
    """One value, none or several → several.

    >>> several("a"), several(None), several(["a", "b"])
    (('a',), (), ['a', 'b'])
    """
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


Names = Annotated[Sequence[str], BeforeValidator(several)]
Numbers = Annotated[Sequence[int], BeforeValidator(several)]
Folders = Annotated[Sequence[Path], BeforeValidator(several)]
