"""`lix data check`: open a data set, survey it, evaluate the rules, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from lix.core.registry import merge
from lix.data import build_dataset
from lix.data.dataset import SegDataset
from lix.data.splits import NO_SPLIT, SPLITS
from lix.tools.check.finding import Finding
from lix.tools.check.report import summarise, write_page
from lix.tools.check.rules import evaluate_rules
from lix.tools.check.survey import Survey, survey
from lix.tools.recognise import recognise

PAGE = "check.html"


def check(
    path: Path,
    *,
    output: Path,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    own: Mapping[str, Mapping[str, Any]] | None = None,
    images: int | None = None,
    console: Console | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[Finding]:
    """Check a data set, print a summary and write `check.html`.

    Args:
        path: the data set's folder, or the YAML of a `folder`.
        output: folder for the page, outside of the data.
        name: name of the loader; None: the one that recognises the path.
        options: options of the loader.
        own: split → options only for it.
        images: number of frames of each split to read; None: all.
        console: where the summary goes; default stdout.
        progress: called with the number of frames read and of all.

    Raises:
        FileNotFoundError: nothing is at `path`.
        ValueError: not a data set, wrong options, no split opens, or `output` is in the data.
    """
    if path.is_dir() and output.resolve().is_relative_to(path.resolve()):
        raise ValueError(
            f"{output} is in the data set's folder, where a check writes nothing; choose another "
            "--output."
        )
    surveyed, datasets = examine(
        path, name=name, options=options, own=own, images=images, progress=progress
    )
    findings = evaluate_rules(surveyed)
    write_page(surveyed, findings, datasets, output / PAGE)
    summarise(surveyed, findings, output / PAGE, console or Console())
    return findings


def examine(
    path: Path,
    *,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    own: Mapping[str, Mapping[str, Any]] | None = None,
    images: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[Survey, dict[str, SegDataset]]:
    """Read a data set; return the survey and the splits that could be opened.

    Arguments and errors are those of `check`.
    """
    if images is not None and images < 1:
        raise ValueError(f"images is {images}; check one or more, or leave it out to check all.")
    loader = recognise(path, name)
    datasets, unopened = _opened(loader, path, options or {}, own or {})
    surveyed = survey(loader, path, datasets, images=images, progress=progress)
    surveyed.unopened = {split: surveyed.shown(why) for split, why in unopened.items()}
    return surveyed, datasets


def _opened(
    name: str, path: Path, options: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, SegDataset], dict[str, str]]:
    """The splits that open, and why the others do not; a set without a test split is a whole."""
    datasets: dict[str, SegDataset] = {}
    unopened: dict[str, str] = {}
    for split in SPLITS:
        given = merge(options, own.get(split, {}))
        try:
            datasets[split] = build_dataset(name, path, split=split, **given)
        except (ValueError, OSError) as error:
            if getattr(error, "kind", "") != NO_SPLIT:
                unopened[split] = str(error)
    if not datasets:
        raise ValueError(" ".join(dict.fromkeys(unopened.values())))
    return datasets, unopened
