"""`lix study report`: one self-contained HTML page about a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from lix.core.files import write_text
from lix.data.dataset import SegDataset
from lix.runs.data import open_dataset
from lix.runs.folder import RunFolder
from lix.study.cross import cross_cells, crossed
from lix.study.details import Bold, by_class, costs
from lix.study.figures import comparison, svg
from lix.study.plots import WATCHED, curves, over_epochs, scores
from lix.study.records import Record
from lix.study.results import CompletedRun, Results
from lix.study.tables import ResultGroup, note, result_groups

PICTURES = 6
"""Frames shown, spread evenly over the validation split."""


def write_page(results: Results, path: Path, *, headline: str = "") -> None:
    """Write tables that sort, figures, scores by class, pictures with a slider, costs, settings.

    The file needs no network: styles, script and pictures are inside. Pictures are left out where
    the validation data or the weights are not on this disk.

    Args:
        results: what the page is about.
        path: the HTML file.
        headline: a sentence shown above all.
    """
    environment = Environment(
        loader=PackageLoader("lix.study"), autoescape=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    environment.tests["bold"] = lambda text: isinstance(text, Bold)
    page = environment.get_template("study.html").render(
        title=results.study.title or results.study.name,
        headline=headline,
        note=note(results),
        parts=[_part(group) for group in result_groups(results)],
        across=cross_cells(results.study, crossed(results)),
        settings={_label(one): _settings(one) for one in results.runs},
        warnings={_label(one): one.record.result.get("warnings", []) for one in results.runs},
    )
    write_text(path, page)


def _part(group: ResultGroup) -> dict[str, Any]:
    """What the page shows of one data set and network."""
    watched = {label: curves(group.runs, quantity) for quantity, label in WATCHED.items()}
    pictures, palette = _pictures(group.runs)
    classes = by_class(group.runs)
    return {
        "heading": group.heading,
        "rows": group.table,
        "scores": svg(scores(group)),
        "curves": {label: svg(over_epochs(c, label)) for label, c in watched.items() if c},
        "classes": classes.astype(object).where(classes.notna(), None).to_dict("index"),
        "costs": costs(group.runs).to_dict("index"),
        "pictures": pictures,
        "palette": palette,
    }


def _pictures(
    runs: Sequence[CompletedRun],
) -> tuple[list[dict[str, str]], dict[str, tuple[int, int, int]]]:
    """RGB, X, labels and predictions of the first seed of each method, and the classes' colours."""
    first: dict[str, Record] = {}
    for one in runs:
        first.setdefault(one.planned.method, one.record)
    first = {m: record for m, record in first.items() if RunFolder(record.folder).best.is_file()}
    if not first:
        return [], {}
    try:
        dataset: SegDataset = open_dataset(runs[0].record.recipe.data, "val")
        shown = min(PICTURES, len(dataset))
        indices = [i * len(dataset) // shown for i in range(shown)]
        pictures = comparison(first, dataset, indices)
    except (OSError, ValueError):
        return [], {}
    return pictures, dict(zip(dataset.classes, dataset.palette, strict=True))


def _label(one: CompletedRun) -> str:
    planned = one.planned
    return f"{planned.data}, {planned.network}, {planned.method}, seed {planned.seed}"


def _settings(one: CompletedRun) -> str:
    return yaml.safe_dump(one.record.recipe.model_dump(mode="json"), sort_keys=False)
