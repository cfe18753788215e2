"""Rules about files, sizes and cameras."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lix.tools.check.finding import Finding, counted
from lix.tools.check.frame import Size
from lix.tools.check.statistics import MIN_SIDE, SplitStatistics
from lix.tools.check.survey import FaultGroup, Survey

MAX_VALUES_SHOWN = 12
"""Maximum number of wrong values that are named, the most frequent ones."""


def file_findings(survey: Survey) -> Iterator[Finding]:
    """Findings about what cannot be opened or read, and about odd sizes and cameras."""
    if survey.is_sample:
        splits = survey.splits.values()
        counts = ", ".join(f"{split.read} of {split.frames} in {split.name}" for split in splits)
        yield Finding(
            "note",
            "sample",
            f"Only some frames were read ({counts}), evenly spaced; rare faults and copies can be "
            "among the others, so check without --images before a long training.",
        )
    for message, names in _by_message(survey.unopened.items()):
        yield Finding("error", "split", f"{' and '.join(names)} cannot be opened: {message}")
    missing = [(name, text) for name, texts in survey.missing_x.items() for text in texts]
    for message, names in _by_message(missing):
        yield Finding("error", "missing-x", f"{' and '.join(names)}: {message}")
    yield from map(_fault, survey.faults.values())
    for split in survey.splits.values():
        yield from _images(split)
    yield from _sizes(survey)
    yield from _cameras(survey)


def _by_message(said: Iterable[tuple[str, str]]) -> Iterable[tuple[str, list[str]]]:
    """Messages and the splits that they are about."""
    splits: dict[str, list[str]] = {}
    for name, message in said:
        splits.setdefault(message, []).append(name)
    return splits.items()


def _fault(group: FaultGroup) -> Finding:
    """The error of the first file, and the files that share it."""
    text = group.message
    if group.count > 1:
        others = ", ".join(frame.name for frame in group.first[1:])
        end = ", …" if group.count > len(group.first) else "."
        text += f" The same goes for {group.count - 1} more: {others}{end}"
    if group.pixels:
        shown = ", ".join(
            f"{value} ({counted(pixels, 'pixel')} in {counted(group.files[value], 'file')})"
            for value, pixels in group.pixels.most_common(MAX_VALUES_SHOWN)
        )
        more = ", …" if len(group.pixels) > MAX_VALUES_SHOWN else "."
        text += f" In all: {shown}{more}"
    return Finding("error", group.part, text, frames=tuple(group.first))


def _images(split: SplitStatistics) -> Iterator[Finding]:
    if split.turned.count:
        yield Finding(
            "note",
            "orientation",
            f"{counted(split.turned.count, 'image')} (first {split.turned.names}) are turned as "
            "their EXIF orientation says, as viewers do; labels, X and intrinsics must fit the "
            "turned picture.",
            (split.name,),
            tuple(split.turned.first),
        )
    if split.small.count:
        yield Finding(
            "warning",
            "small",
            f"Height or width is less than {MIN_SIDE} pixels in {split.small.count} of "
            f"{counted(split.images, 'image')} (first {split.small.names}), and networks see them "
            "32 times smaller; use the images before they were scaled down.",
            (split.name,),
            tuple(split.small.first),
        )


def _sizes(survey: Survey) -> Iterator[Finding]:
    sizes: Counter[Size] = Counter()
    for split in survey.splits.values():
        sizes += split.sizes
    if len(sizes) > 1:
        (height, width), most = sizes.most_common(1)[0]
        yield Finding(
            "note",
            "sizes",
            f"The images have {len(sizes)} sizes, most often {height}x{width} ({most} of "
            f"{sizes.total()}); all are resized to data.size, so choose one of that shape.",
        )
    upright = sum(count for (height, width), count in sizes.items() if height > width)
    if 0 < upright < sizes.total():
        yield Finding(
            "warning",
            "upright",
            f"Of {counted(sizes.total(), 'image')} {upright} stand upright and the others do not, "
            "and resizing to one data.size distorts either kind; turn them, or crop all to one "
            "shape.",
        )


def _cameras(survey: Survey) -> Iterator[Finding]:
    for split in survey.splits.values():
        blind = split.read - split.cameras
        if blind and any(x.kind in ("depth", "disparity") for x in split.x):
            which = "all frames" if blind == split.read else f"{blind} of {split.read} frames"
            yield Finding(
                "note",
                "intrinsics",
                f"Camera intrinsics are missing for {which}, and `data.x: normal` needs them; give "
                "them as docs/data.md says, or train with `data.x: log`.",
                (split.name,),
            )
        if split.off_centre.count:
            yield Finding(
                "warning",
                "principal-point",
                f"The principal point is far from the middle of the image in "
                f"{counted(split.off_centre.count, 'frame')} (first {split.off_centre.names}), as "
                "if fx, fy, cx, cy were those of another size; scale them as the images were "
                "scaled.",
                (split.name,),
                tuple(split.off_centre.first),
            )
