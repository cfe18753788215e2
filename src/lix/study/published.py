"""Published numbers (`docs/results/published.csv`) next to those of a study of the same set-up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lix.study.results import CompletedRun

FILE = "published.csv"
PLACES = (Path(__file__).with_name(FILE), Path(__file__).parents[3] / "docs" / "results" / FILE)
"""Where it is in the installed package, and in a clone of the repository."""
NO_SPLIT = ("x", "masks", "modality", "modalities")
"""Options of data sets that change neither the frames nor the classes."""


class Published(NamedTuple):
    """A number that others have published."""

    data: str
    """Name of the data set, as `lix list datasets` has it."""
    options: str
    """Options that choose the same frames and classes, as in `classes=13`."""
    classes: str
    """Number of classes in the mean; empty where the source does not say it."""
    network: str
    """lix's name where it is the same network, else the authors'."""
    modality: str
    """`RGB`, or what the network sees next to it, as in `RGB-D`."""
    method: str
    """Name of the method of distillation, or `none`."""
    mIoU: str
    """Percent, as printed."""
    source: str
    """Where the number was read."""
    comparable: str
    """What to mind in a comparison."""


@cache
def published() -> Sequence[Published]:
    """All published numbers, in the order of the file."""
    path = next(place for place in PLACES if place.is_file())
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    return [Published(*row) for row in table[list(Published._fields)].itertuples(index=False)]


def of_run(run: CompletedRun) -> list[Published]:
    """The numbers on the same frames and classes with the same network as a run's."""
    recipe, classes = run.record.recipe, len(run.record.result["iou"])
    options = recipe.data.options | recipe.data.val
    chosen = ";".join(f"{k}={v}" for k, v in sorted(options.items()) if k not in NO_SPLIT)
    if recipe.data.train or recipe.data.val_root:
        return []
    wanted = recipe.data.name, chosen, str(classes), recipe.network.name
    return [one for one in published() if one[:4] == wanted]


def numbers(found: Sequence[Published], method: str) -> str:
    """The numbers of a row of a table: those of RGB-X networks for `teacher`."""
    name = "none" if method == "teacher" else method.lower()
    fitting = [
        one for one in found if (one.modality != "RGB", one.method) == (method == "teacher", name)
    ]
    return ", ".join(f"{one.mIoU} ({one.modality})" for one in fitting)


def about(runs: Sequence[CompletedRun]) -> str:
    """A sentence on where the numbers next to those of some runs were read; '' if there is none."""
    sources = "; ".join(dict.fromkeys(one.source for run in runs for one in of_run(run)))
    return sources and f"Published: others' training on the same frames and classes ({sources})."
