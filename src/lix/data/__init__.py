"""Data sets, what a sample is, and what happens to it before a network sees it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lix.core.registry import build, find

if TYPE_CHECKING:
    from lix.data.dataset import SegDataset


def build_dataset(name: str, root: Path, labelled: bool = True, /, **options: Any) -> SegDataset:
    """Open a data set by name; `module:Class` is a data set of your own (`lix --allow-code`).

    Args:
        name: one of `lix list datasets`.
        root: its folder, or the YAML of a `folder`.
        labelled: False to open images without labels: no label is looked for, and every target is
            255 everywhere. Positional, so that no recipe has it among its options.
        options: options of the data set.

    Raises:
        ValueError: unknown name or option, or code that is not allowed.
        FileNotFoundError: the folder is not there.
    """
    arguments = (root,) if labelled else (root, False)
    built: SegDataset = build(find("datasets", name), options, *arguments)
    return built
