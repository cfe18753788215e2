"""Every data set on disk, for the contract."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from lix.core.registry import entries, find
from lix.data import build_dataset
from lix.data.dataset import SegDataset
from tests.data.sets.contract import Case

# pycocotools implements NumPy 1's `__array__`.


@dataclass
class Made:
    """A case on disk."""

    name: str
    root: Path
    case: Case

    @property
    def loader(self) -> type[SegDataset]:
        return find("datasets", self.name).load()  # type: ignore[no-any-return]

    def open(self, *, labelled: bool = True, **options: Any) -> SegDataset:
        merged = (self.case.options if labelled else {}) | options
        return build_dataset(self.name, self.root, labelled, **merged)


@pytest.fixture(params=entries("datasets"))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    case: Case = import_module(f"tests.data.sets.test_{request.param}").CASE
    return Made(request.param, case.make(tmp_path / "data"), case)
