"""The scores of a checkpoint on a data set, as a table and as JSON: `lix eval`, a run's end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from lix.core.console import plain, print_table, warn
from lix.core.errors import unknown
from lix.core.files import write_text
from lix.data.dataset import SegDataset
from lix.data.duplicates import load_fingerprints
from lix.data.splits import Split
from lix.evaluation.conditions import group, print_by, scores_by
from lix.evaluation.evaluate import evaluate
from lix.evaluation.metrics import Scores, percent, scores
from lix.evaluation.transfer import common_classes, evaluate_common
from lix.runs.checkpoint import load_network
from lix.runs.damaged import open_readable
from lix.runs.data import evaluation_loader, require_same_x
from lix.runs.folder import RunFolder
from lix.runs.leaks import find_leaks, frame_fingerprints, named
from lix.runs.settings import Data


def evaluate_checkpoint(
    checkpoint: Path,
    data: Data,
    *,
    split: Split = "val",
    common: bool = False,
    leave_out: Sequence[str] = (),
    by: Sequence[str] = (),
    output: Path | None = None,
    console: Console | None = None,
) -> Scores:
    """Evaluate a trained network on a split and print its scores.

    Args:
        checkpoint: run folder or checkpoint.
        data: the data set.
        split: split of the data set.
        common: if the classes differ, score those that the network and the data both have.
        leave_out: classes that are not scored, next to those of the data set's `not_scored`.
        by: conditions such as `weather`: the frames of each value are scored on their own, too.
        output: JSON file for the scores and the confusion matrix.
        console: console for the table; default: standard output.

    Raises:
        ValueError: the data set has other classes than the network, and not `common`; or it
            lacks a class to leave out, or a condition.
    """
    network, spec = load_network(checkpoint)
    console, with_x = console or Console(), network.x_channels > 0
    dataset = open_readable(data, split, with_x=with_x, console=console)
    classes, left_out = spec.classes, dataset.left_out
    if not common:
        _require_classes(checkpoint, classes, dataset, data.root)
    require_same_x(spec, dataset)
    groups = group(dataset, by)
    _warn_of_leaks(checkpoint, dataset, console)
    torch.set_num_threads(1)
    size = data.size if "size" in data.model_fields_set else spec.size
    data = data.model_copy(update={"x": spec.x_encoding, "size": size})
    shared = common_classes(classes, dataset.classes) if common else None
    if shared:
        classes, left_out = shared.names, shared.left_out(left_out)
    left_out = (*left_out, *_train_ids(classes, leave_out))
    loaders = {
        values: evaluation_loader(data, dataset, with_x=with_x, indices=places)
        for values, places in groups.items()
    }
    matrices = {
        values: evaluate_common(network, loader, shared) if shared else evaluate(network, loader)
        for values, loader in loaders.items()
    }
    confusion = torch.stack(list(matrices.values())).sum(dim=0)
    by_condition = scores_by(by, groups, matrices, left_out)
    result = replace(scores(confusion, left_out), by=by_condition)
    if output is not None:  # before the table, whose reader may have gone
        stored = {"split": split, **result.as_dict(classes), "confusion": confusion.tolist()}
        write_text(output, json.dumps(stored, indent=1))
    print_scores(result, classes, f"{checkpoint} on {len(dataset)} images of {split}", console)
    print_by(result.by, classes, console)
    return result


def _require_classes(
    checkpoint: Path, known: Sequence[str], dataset: SegDataset, at: Path | None
) -> None:
    if tuple(dataset.classes) != tuple(known):
        raise ValueError(
            f"{at or 'The data'} has the classes {', '.join(dataset.classes)} but {checkpoint} "
            f"knows {', '.join(known)}; evaluate on a data set with the same classes, or only the "
            "classes that both have with --common."
        )


def _warn_of_leaks(checkpoint: Path, dataset: SegDataset, console: Console) -> None:
    """Say if the run has learnt from some of these frames without their labels."""
    drive = load_fingerprints(RunFolder.of(checkpoint).drives)
    if not drive or not dataset.in_files:
        return
    leaks = find_leaks(drive, frame_fingerprints(dataset, console))
    for pairs, what in ((leaks.same, "are"), (leaks.similar, "look almost like")):
        if pairs:
            warn(
                console,
                f"{len(pairs)} unlabelled frames that the run learned from {what} frames of this "
                f"evaluation ({named(pairs)}), so its scores are too good; leave them out.",
            )


def _train_ids(classes: Sequence[str], names: Sequence[str]) -> list[int]:
    """Train ids of classes.

    Raises:
        ValueError: an unknown name; the message lists the choices and the nearest.
    """
    for name in names:
        if name not in classes:
            raise ValueError(unknown("class", name, classes))
    return [classes.index(name) for name in names]


def print_scores(result: Scores, classes: Sequence[str], title: str, console: Console) -> None:
    """Print scores as a table by class, and their means below."""
    not_scored = result.not_scored(classes)
    rows = [
        {"class": name, "IoU %": percent(iou, why), "F1 %": percent(f1, why)}
        for name, iou, f1 in zip(classes, result.iou, result.f1, strict=True)
        for why in ["not scored" if name in not_scored else "absent"]
    ]
    print_table(console, rows, title=title)
    console.print(", ".join(f"{name} {100 * v:.2f} %" for name, v in result.means.items()))
    if not_scored:
        console.print(
            plain(
                f"{len(not_scored)} of {len(classes)} classes are not scored: "
                f"{', '.join(not_scored)}. Pixels with their label do not count."
            )
        )
    if absent := result.absent(classes):
        console.print(
            plain(
                f"{len(absent)} of {len(classes)} classes are left out of the means, because "
                f"neither labels nor predictions have them: {', '.join(absent)}."
            )
        )
