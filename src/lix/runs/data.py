"""The section `data` of a recipe → a data set, and batches of it to evaluate on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset

from lix.core.registry import merge
from lix.data import build_dataset
from lix.data.cache import Cache
from lix.data.dataset import SegDataset
from lix.data.encode import encoded_channels
from lix.data.memory import MEMORY, MemoryDataset
from lix.data.splits import Split
from lix.data.transforms import resize, to_batch
from lix.runs.checkpoint import NetworkSpec
from lix.runs.settings import Data


def open_dataset(data: Data, split: Split, *, labelled: bool = True) -> SegDataset:
    """The data set of a recipe; where it is not `labelled` no label is looked for.

    Raises:
        ValueError: the recipe names no root, or what the data set raises.
    """
    if data.name == MEMORY:
        return _in_memory(data, split)
    root = data.val_root if split == "val" and data.val_root else data.root
    if root is None:
        raise ValueError("Set data.root to the folder of the data set.")
    options = merge(data.options, {"train": data.train, "val": data.val}.get(split, {}))
    return build_dataset(data.name, root, labelled, split=split, **options)


def _in_memory(data: Data, split: Split) -> SegDataset:
    """A split of the object that the user gave.

    Raises:
        ValueError: there is none, or settings that files need.
    """
    if data.frames is None:
        raise ValueError(
            "This run learnt from frames in memory, which its folder cannot open again; pass them "
            "as data= to lix.evaluate, or name data on disk with --data.name and --data.root."
        )
    if data.root is not None:
        raise ValueError(
            f"Frames in memory have no folder; name the loader of {data.root}, such as folder."
        )
    if data.cache is not None:
        raise ValueError("Frames in memory need no data.cache; leave it out.")
    return MemoryDataset(data.frames, split)


def evenly_spaced(total: int, count: int) -> list[int]:
    """At most `count` indices of `total` frames, evenly spaced from the first one.

    >>> evenly_spaced(10, 3), evenly_spaced(2, 3)
    ([0, 3, 6], [0, 1])
    """
    count = min(count, total)
    return [i * total // count for i in range(count)]


def cached(dataset: SegDataset, data: Data) -> SegDataset | Cache:
    """The data set, or where the recipe names a cache its samples there."""
    if data.cache is None:
        return dataset
    return Cache(dataset, data.cache, data.size, [data.name, data.options, data.train, data.val])


def require_same_x(spec: NetworkSpec, dataset: SegDataset) -> None:
    """Raise a ValueError if a network would see X of another kind or in another range."""
    if spec.x_kind is None:
        return
    has = (dataset.x_kind, encoded_channels(dataset.x, spec.x_encoding))
    if has != (spec.x_kind, spec.x_channels):
        raise ValueError(
            f"The teacher sees {spec.x_channels} channel(s) of {spec.x_kind}, but {dataset.root} "
            f"has {dataset.x_kind}; name folders of such X under x, or another teacher."
        )
    if spec.x_spans != dataset.x_spans:
        trained, here = (
            " and ".join("the default" if s is None else f"{s[0]:g} to {s[1]:g}" for s in spans)
            for spans in (spec.x_spans or (None,), dataset.x_spans or (None,))
        )
        raise ValueError(
            f"The teacher was trained with X in the range {trained}, but this data set describes "
            f"{here}; write the same `range` under `x`, or train a teacher with this one."
        )


class EvaluationSet(Dataset[dict[str, Any]]):
    """Samples resized and nothing else."""

    def __init__(self, dataset: SegDataset, data: Data, *, with_x: bool) -> None:
        self.dataset, self.data, self.with_x = cached(dataset, data), data, with_x

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.dataset.read(self.dataset.ids[index], with_x=self.with_x)
        return to_batch(resize(sample, self.data.size), self.data.x)


def evaluation_loader(
    data: Data,
    dataset: SegDataset,
    *,
    with_x: bool,
    batch_size: int = 8,
    workers: int = 0,
    indices: Sequence[int] | None = None,
) -> DataLoader[dict[str, Any]]:
    """Resized samples in order; all of them or those of `indices`."""
    return DataLoader(
        EvaluationSet(dataset, data, with_x=with_x),
        batch_size=batch_size,
        sampler=range(len(dataset)) if indices is None else indices,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
