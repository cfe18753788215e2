"""Data sets, what a sample is, and what happens to it before a network sees it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lix.core.registry import build, find

if TYPE_CHECKING:
    from lix.data.sample import SegDataset


def build_dataset(name: str, root: Path, **options: Any) -> SegDataset:
    """Open a data set by name; `module:Class` is a data set of your own (`lix --allow-code`).

    Raises:
        ValueError: unknown name or option, or code that is not allowed.
        FileNotFoundError: the folder is not there.
    """
    built: SegDataset = build(find("datasets", name), options, root)
    return built
