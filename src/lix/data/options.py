"""What options of data sets can be; without torch, so that the command line stays fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

ENCODINGS = ("log", "inverse", "normal")
"""What X can be encoded as: one of these, or several joined by `+`, as in `log+normal`."""


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
