"""Findings about X: is it there, and does it look like what its description says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lix.tools.check.about_units import about_units
from lix.tools.check.finding import Finding
from lix.tools.check.survey import Survey
from lix.tools.check.tallies import XTally
from lix.tools.check.wording import counted, number, percent

FEW = 0.05
"""Of the pixels; fewer valid ones leave a teacher little to see."""
AGREEING = 0.8
"""Of the frames; so many must show that X runs the wrong way."""


def about_x(survey: Survey) -> Iterator[Finding]:
    """The findings about each X of each split."""
    splits = survey.splits.values()
    if splits and not any(split.x for split in splits):
        yield Finding(
            "note",
            "no-x",
            "There is no X, which a teacher needs and a student does not; make depth with `lix "
            "data depth`, or describe what you have.",
        )
    for split in splits:
        for place, x in enumerate(split.x, 1):
            widest = max((width for _, width in split.sizes), default=0)
            which = f"X {place} of {len(split.x)}: " if len(split.x) > 1 else ""
            for finding in judge_x(x, widest):
                text, rule = which + finding.text, f"{finding.rule} {which}".strip()
                yield replace(finding, rule=rule, text=text, splits=(split.name,))


def judge_x(x: XTally, width: int) -> Iterator[Finding]:
    """The findings about one X of images that are `width` pixels wide."""
    if not x.files:
        return
    if not x.valid:
        yield Finding(
            "error",
            "x-empty",
            f"No pixel of the {x.kind} is valid; correct its kind, scale or `invalid`.",
            frames=tuple(x.empty.first),
        )
        return
    if x.constant.count == x.files - x.empty.count:
        yield Finding(
            "error",
            "x-constant",
            f"Each file of the {x.kind} holds one value alone, {number(x.low)} in the first, so a "
            "teacher learns nothing from it; make the files again.",
            frames=tuple(x.constant.first),
        )
        return
    yield from _about_valid(x)
    units, direction = [*about_units(x, width)], [*_about_direction(x)]
    if direction and any(finding.severity == "error" for finding in units):
        # The wrong kind explains both; no unit would mend it.
        yield replace(direction[0], severity="error")
    else:
        yield from units + direction


def _about_valid(x: XTally) -> Iterator[Finding]:
    if x.valid_share < FEW:
        yield Finding(
            "warning",
            "x-sparse",
            f"Only {percent(x.valid_share, 1)} of the {x.kind}'s pixels are valid; correct "
            "`invalid` if more were measured, else make it dense, as with `lix data depth`.",
        )
    elif x.empty.count:
        yield Finding(
            "warning",
            "x-empty-files",
            f"The {x.kind} has no valid pixel in {x.empty.count} of {counted(x.files, 'file')} "
            f"(first {x.empty.names}); make them again, or leave these frames out.",
            frames=tuple(x.empty.first),
        )
    if x.constant.count:
        yield Finding(
            "warning",
            "x-constant-files",
            f"The {x.kind} has one value alone in {x.constant.count} of "
            f"{counted(x.files, 'file')} (first {x.constant.names}); make them again, or leave "
            "these frames out.",
            frames=tuple(x.constant.first),
        )


def _about_direction(x: XTally) -> Iterator[Finding]:
    """Whoever looks ahead has the ground at his feet nearer than what is before him."""
    told = x.grows + x.falls
    if told < x.files / 2:
        return
    if x.kind == "depth" and x.grows >= AGREEING * told:
        yield Finding(
            "warning",
            "direction",
            f"The depth grows towards the bottom of {x.grows} of {x.files} images, where a camera "
            "that looks ahead sees what is near; if it is disparity or inverse depth, set the kind "
            "to `disparity` or `inverse_depth`.",
        )
    elif x.kind in ("disparity", "inverse_depth") and x.falls >= AGREEING * told:
        yield Finding(
            "warning",
            "direction",
            f"The {x.kind} falls towards the bottom of {x.falls} of {x.files} images, where a "
            "camera that looks ahead sees what is near; if it is depth, set the kind to `depth` "
            "and its unit.",
        )
