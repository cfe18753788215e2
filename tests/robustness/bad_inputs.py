"""A bad input: what a user may give the command line by mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FRAMES = "Scene01/clone/frames"


@dataclass(frozen=True)
class Case:
    """A command that must fail; words in capitals are places of the sandbox."""

    name: str
    words: tuple[object, ...]
    spoil: Callable[[Path], object] = lambda home: None
    """Makes the bad file; gets the sandbox, in which `data`, `student`, `teacher` may be spoilt."""


TRAIN = ("train", "-r", "HOME/recipe.yaml", "--output", "HOME/new")
DISTILL = ("distill", "-r", "HOME/recipe.yaml", "--output", "HOME/new", "--teacher")


def writes(name: str, text: str) -> Callable[[Path], object]:
    def write(home: Path) -> None:
        (home / name).write_text(text.replace("HOME", str(home)))

    return write
