"""Rules about labels that hold no wrong value and yet may be wrong."""

from __future__ import annotations

from collections.abc import Iterator

from lix.core.types import IGNORE_INDEX
from lix.tools.check.finding import Finding, counted, percent
from lix.tools.check.statistics import Group, SplitStatistics
from lix.tools.check.survey import Survey

MAX_CLASS_SHARE = 0.98
"""Share of the pixels above which a class leaves too little for the others."""
MAX_IGNORED_SHARE = 0.5
"""Share of ignored pixels above which there is a warning."""
ONE_CLASS = ("binary", "one-value")
"""Rules about labels of one class, which explain why the others are absent."""
MIN_FRAMES = 10
"""Labelled frames below which the IoU of a class hangs on single objects, unless the whole split is
so small that most of it shows the class: the error of a mean of n is about its spread / sqrt(n)."""
MIN_PIXELS = 1000
"""Labelled pixels of a split below which the IoU of a class hangs on how its borders were drawn."""


def label_findings(survey: Survey) -> Iterator[Finding]:
    """Findings about ignored pixels, and classes that are everywhere or nowhere."""
    of_splits = list[Finding]()
    for split in survey.splits.values():
        if split.labels:
            yield from _forms(split)
            of_splits += _split(split, survey.classes)
    yield from of_splits
    if not any(finding.rule in ONE_CLASS for finding in of_splits):
        yield from _absent(survey)
    yield from _rare(survey)


def _forms(split: SplitStatistics) -> Iterator[Finding]:
    """How labels are read where there is a palette, or where files have palettes of their own."""
    if split.repainted.count:
        yield Finding(
            "warning",
            "label-palette",
            f"{counted(split.repainted.count, 'label image')} (first {split.repainted.names}) show "
            "the same index in other colours than the rest, as if a tool had sorted the palettes "
            "anew, but labels are read by index; give the `palette` in the YAML, and colours "
            "decide.",
            (split.name,),
            tuple(split.repainted.first),
        )
    by_colour = split.forms.get("colour", Group())
    by_value = [group for form, group in split.forms.items() if form != "colour"]
    parts = [f"{by_colour.count} by colours (first {by_colour.names})"] if by_colour.count else []
    if by_value:
        count, names = sum(group.count for group in by_value), by_value[0].names
        parts.append(f"{count} by values, as their colours are not the palette's (first {names})")
    if parts:
        text = f"Of {counted(split.labels, 'label image')} lix reads {' and '.join(parts)}."
        yield Finding("note", "label-form", text, (split.name,))


def _split(split: SplitStatistics, classes: tuple[str, ...]) -> Iterator[Finding]:
    ignored = split.share(IGNORE_INDEX)
    if ignored == 1:
        text = "All labels are ignored, so nothing can be learnt; correct `ignore` or the labels."
        yield Finding("error", "all-ignored", text, (split.name,))
        return
    found = [*_one_class(split, classes)]
    yield from found
    if ignored > MAX_IGNORED_SHARE and not any(finding.rule == "binary" for finding in found):
        yield Finding(
            "warning",
            "ignored",
            f"{percent(ignored)} of all pixels are ignored; if that is more than you left "
            "unlabelled, some values under `ignore` are classes.",
            (split.name,),
        )


def _one_class(split: SplitStatistics, classes: tuple[str, ...]) -> Iterator[Finding]:
    where, present = (split.name,), [i for i in range(len(classes)) if split.pixels[i]]
    most = max(present, key=split.share)
    name, share = classes[most], split.share(most)
    if len(classes) == 2 and len(present) == 1 and split.pixels[IGNORE_INDEX]:
        yield Finding(
            "error",
            "binary",
            f"The labels are {name} or 255, which is ignored; if they are masks of 0 and 255, "
            "write `classes: {0: …, 255: …}` with the name of either value.",
            where,
        )
    elif split.one_value.count == split.labels:
        yield Finding(
            "error",
            "one-value",
            f"Each of the {split.labels} label images has only one value "
            f"({', '.join(classes[i] for i in present)}), as if the regions had not been exported; "
            "export the labels again, as one class index a pixel.",
            where,
            tuple(split.one_value.first),
        )
    elif share > MAX_CLASS_SHARE:
        yield Finding(
            "warning",
            "one-class",
            f"{name} has {percent(share, 1)} of all labelled pixels, so a network that always "
            f"says {name} looks good; make sure that the other classes were exported.",
            where,
        )


def _absent(survey: Survey) -> Iterator[Finding]:
    """Findings about classes that are missing in one split or in all."""
    splits = {name: split for name, split in survey.splits.items() if split.labels}
    absent = {
        name: {i for i in range(len(survey.classes)) if not split.pixels[i]}
        for name, split in splits.items()
    }
    if not splits or any(len(ids) == len(survey.classes) for ids in absent.values()):
        return

    def names(ids: set[int]) -> str:
        return ", ".join(survey.classes[i] for i in sorted(ids))

    scope = "in the frames read" if survey.is_sample else "in any label"
    nowhere = set.intersection(*absent.values())
    if nowhere:
        yield Finding(
            "warning",
            "absent",
            f"Classes that never occur {scope}: {names(nowhere)}; if you labelled them, correct "
            "the values or colours in the table of classes, else leave them out.",
        )
    train = absent.pop("train", nowhere) - nowhere
    if train:
        where = " or ".join(name for name, ids in absent.items() if train - ids)
        yield Finding(
            "warning",
            "absent-train",
            f"Classes that occur in {where} but never in train: {names(train)}; they cannot be "
            "learnt, so split again with `lix data split`.",
        )
    for split, ids in absent.items():
        if unscored := ids - nowhere - train:
            yield Finding(
                "note",
                f"absent-{split}",
                f"Classes that occur in train but never in {split}: {names(unscored)}; their IoU "
                "stays unknown, so split again with `lix data split`, or remember it when you "
                "compare.",
            )


def _rare(survey: Survey) -> Iterator[Finding]:
    """Findings about classes that validation or test hardly shows; a sample does not tell."""
    for name, split in survey.splits.items():
        if name == "train" or split.read < split.frames:
            continue
        few = min(MIN_FRAMES, split.labels / 2)
        rare = [
            (label, split.pixels[i], split.containing[i])
            for i, label in enumerate(survey.classes)
            if label not in survey.not_scored
            and split.pixels[i]
            and (split.containing[i] < few or split.pixels[i] < MIN_PIXELS)
        ]
        if rare:
            listed = ", ".join(
                f"{label} ({counted(int(pixels), 'pixel')} in {counted(int(frames), 'frame')})"
                for label, pixels, frames in rare
            )
            yield Finding(
                "note",
                f"rare-{name}",
                f"Classes that are rare in {name}: {listed}; their IoU is mostly noise, and counts "
                "in the mean like any other. Add frames with them, or list them under `not_scored` "
                "in the YAML or behind `lix eval --leave-out`.",
            )
