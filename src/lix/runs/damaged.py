"""Opening a data set without the frames that cannot be read, where the recipe asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.console import Console

from lix.core.console import warn
from lix.core.errors import DataError
from lix.data.dataset import SegDataset
from lix.data.readers import missing_allowed
from lix.data.sample import check_sizes
from lix.data.splits import Split
from lix.runs.data import open_dataset
from lix.runs.settings import Data

MAX_NAMES_SHOWN = 10
"""Maximum number of damaged frames that the warning names."""


def open_readable(
    data: Data, split: Split, *, with_x: bool, console: Console, labelled: bool = True
) -> SegDataset:
    """`open_dataset`, where the recipe says `skip_damaged` without missing and damaged frames."""
    if not data.skip_damaged:
        return open_dataset(data, split, labelled=labelled)
    with missing_allowed():
        dataset = open_dataset(data, split, labelled=labelled)

    leave_out_damaged(dataset, with_x=with_x, warn=partial(warn, console))
    return dataset


def leave_out_damaged(dataset: SegDataset, *, with_x: bool, warn: Callable[[str], object]) -> None:
    """Read every frame once, and take those that are damaged out of `dataset.ids`.

    Args:
        dataset: the data set.
        with_x: whether X is needed too.
        warn: gets one sentence that counts and names what is left out.

    Raises:
        ValueError: no frame can be read.
    """
    faults = {frame: _fault(dataset, frame, with_x=with_x) for frame in dataset.ids}
    damaged = [f"{frame} ({faults[frame]})" for frame in dataset.ids if faults[frame]]
    if not damaged:
        return
    total, kept = len(dataset), [frame for frame in dataset.ids if not faults[frame]]
    if not kept:
        raise ValueError(f"No frame of the split can be read; the first one: {damaged[0]}")
    more = "; …" if len(damaged) > MAX_NAMES_SHOWN else ""
    names = "; ".join(damaged[:MAX_NAMES_SHOWN]) + more
    warn(f"{len(damaged)} of {total} frames are left out as missing or damaged: {names}")
    dataset.ids = kept


def _fault(dataset: SegDataset, frame: str, *, with_x: bool) -> str | None:
    try:
        sample = dataset.read(frame, with_x=False)
        if with_x:
            sample.x = tuple(source.read(frame) for source in dataset.x_sources)
            check_sizes(sample, dataset.image_path(frame))
    except DataError as error:
        return str(error)
    return None
