"""`lix study report`: one self-contained HTML page about a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from lix.core.files import write_text
from lix.data.sample import SegDataset
from lix.runs.data import open_dataset
from lix.runs.folder import RunFolder
from lix.study.cross import cross_cells, crossed
from lix.study.details import by_class, by_method, costs
from lix.study.figures import comparison, svg
from lix.study.grid import Study
from lix.study.plots import WATCHED, curves, over_epochs, scores
from lix.study.results import Finished, load_results, summarise
from lix.study.tables import Block, blocks, note

PICTURES = 6
"""Frames shown, spread evenly over the validation split."""


def write_page(study: Study, output: Path, path: Path) -> None:
    """Write tables that sort, figures, scores by class, pictures with a slider, costs, settings.

    The file needs no network: styles, script and pictures are inside. Pictures are left out where
    the validation data are not on this disk.

    Args:
        study: what was run.
        output: folder of all runs.
        path: the HTML file.

    Raises:
        ValueError: no run has ended.
    """
    results = load_results(study, output)
    runs = results.runs
    environment = Environment(
        loader=PackageLoader("lix.study"), autoescape=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    parts = []
    for block in blocks(summarise(study, runs), study.paper):
        own = [r for r in runs if (r.planned.data, r.planned.network) == block.place]
        parts.append(_part(block, own))
    page = environment.get_template("study.html").render(
        title=study.title or study.name,
        note=note(study, results),
        parts=parts,
        across=cross_cells(study, crossed(runs, study)),
        settings={_label(one): _settings(one) for one in runs},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)


def _part(block: Block, runs: Sequence[Finished]) -> dict[str, Any]:
    """What the page shows of one data set and network."""
    found = {label: curves(runs, quantity) for quantity, label in WATCHED.items()}
    pictures, palette = _pictures(runs)
    return {
        "data": block.data,
        "network": block.network,
        "rows": [block.cells(row) for row in block.rows],
        "scores": svg(scores(block)),
        "curves": {label: svg(over_epochs(c, label)) for label, c in found.items() if c},
        "classes": by_class(runs),
        "costs": costs(runs),
        "pictures": pictures,
        "palette": palette,
    }


def _pictures(
    runs: Sequence[Finished],
) -> tuple[list[dict[str, str]], dict[str, tuple[int, int, int]]]:
    """RGB, X, labels and predictions of the first seed of each method, and the classes' colours."""
    first = {method: group[0].run for method, group in by_method(runs).items()}
    first = {m: run for m, run in first.items() if RunFolder(run.folder).best.is_file()}
    if not first:
        return [], {}
    try:
        dataset: SegDataset = open_dataset(runs[0].run.recipe.data, "val")
        shown = min(PICTURES, len(dataset))
        indices = [i * len(dataset) // shown for i in range(shown)]
        pictures = comparison(first, dataset, indices)
    except (OSError, ValueError):
        return [], {}
    return pictures, dict(zip(dataset.classes, dataset.palette, strict=True))


def _label(one: Finished) -> str:
    planned = one.planned
    return f"{planned.data}, {planned.network}, {planned.method}, seed {planned.seed}"


def _settings(one: Finished) -> str:
    return yaml.safe_dump(one.run.recipe.model_dump(mode="json"), sort_keys=False)
