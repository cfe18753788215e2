"""A look at X as the teacher sees it, before a training that could learn nothing from it."""

from __future__ import annotations

from rich.console import Console

from lix.core.console import warn
from lix.core.errors import DataError
from lix.data.dataset import SegDataset
from lix.data.encode import encode
from lix.data.sample import Sample
from lix.runs.data import evenly_spaced
from lix.runs.settings import Data

FRAMES = 4
"""Number of frames that are looked at."""
MIN_SPREAD = 1e-3
"""Difference of the encoded values below which X is one constant."""


def warn_if_flat(dataset: SegDataset, data: Data, console: Console) -> None:
    """Warn about each X that is constant or invalid everywhere once it is encoded.

    Args:
        dataset: the training frames, of which a few are read.
        data: settings with the encoding.
        console: where the warning goes.
    """
    try:
        frames = [
            dataset.read(dataset.ids[index], with_x=True)
            for index in evenly_spaced(len(dataset), FRAMES)
        ]
    except DataError:
        return  # the training names the file
    spreads = [max(parts) for parts in zip(*(_spreads(s, data.x) for s in frames), strict=True)]
    for place, spread in enumerate(spreads):
        if spread < MIN_SPREAD:
            kind = dataset.x[place].kind
            warn(
                console,
                f"the {kind} is invalid or one constant after encoding, so a teacher learns "
                "nothing from it; `lix data check` says which unit or `range` fits.",
            )


def _spreads(sample: Sample, encoding: str) -> list[float]:
    """Difference of the highest and lowest value of each encoded X; 0 where all is invalid."""
    spreads = []
    spans = sample.spans or (None,) * len(sample.x)
    for x, span in zip(sample.x, spans, strict=True):
        encoded = encode(x, encoding, sample.intrinsics, span)
        valid = encoded[x.isfinite().all(dim=0).expand_as(encoded)]
        spreads.append(float(valid.max() - valid.min()) if valid.numel() else 0.0)
    return spreads
