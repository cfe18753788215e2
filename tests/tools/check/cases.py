"""Faults for a small clean data set, and what must be said about them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lix.tools.check.finding import Finding
from lix.tools.check.rules import evaluate_rules
from lix.tools.check.run import examine
from tests.tools.conftest import Make, Parts

Array = NDArray[Any]


def judged(root: Path, **settings: Any) -> list[Finding]:
    return evaluate_rules(examine(root, **settings)[0])


@dataclass
class Fault:
    """What is put into a clean data set, and what must be said."""

    name: str
    severity: str
    says: str
    change: Callable[[str, int, Parts], object] | None = None
    entries: dict[str, Any] = field(default_factory=dict)
    after: Callable[[Path], object] | None = None
    also: tuple[str, ...] = ()
    """Rules that may have findings beside."""

    def assert_found(self, make: Make) -> None:
        """The fault is said once, and nothing else worse than a note."""
        root = make(self.change, **self.entries)
        if self.after is not None:
            self.after(root)
        found = judged(root)
        said = [finding for finding in found if re.search(self.says, str(finding))]
        assert [finding.severity for finding in said] == [self.severity], [*map(str, found)]
        others = [f for f in found if f not in said and f.severity != "note"]
        assert {finding.rule for finding in others} <= set(self.also), [*map(str, others)]


def every(part: str, values: Callable[[Array], Array], *splits: str) -> Any:
    """Change a part of every frame of these splits, or of all."""

    def change(split: str, index: int, parts: Parts) -> None:
        if not splits or split in splits:
            parts[part] = values(parts[part])

    return change


def first(part: str, values: Callable[[Array], Array], count: int = 1) -> Any:
    """Change the first frames of train."""

    def change(split: str, index: int, parts: Parts) -> None:
        if split == "train" and index < count:
            parts[part] = values(parts[part])

    return change


def set_to(value: float, where: Any = slice(None)) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        array[where] = value
        return array

    return change
