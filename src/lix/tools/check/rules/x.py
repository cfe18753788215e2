"""Rules about X: whether it is there, and whether it looks like its description says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lix.tools.check.finding import Finding, counted, number, percent
from lix.tools.check.rules.units import unit_findings
from lix.tools.check.statistics import XStatistics
from lix.tools.check.survey import Survey

MIN_VALID_SHARE = 0.05
"""Share of valid pixels below which a teacher sees little."""
MIN_AGREEING_SHARE = 0.8
"""Share of the frames that must show that X runs the wrong way."""
MIN_ALIGNED_FRAMES = 4
MIN_SCORE = 2.8
"""Score of the best shift below which it may be chance; images of streets reach 3 to 20."""
MIN_GAIN = 1.4
"""Ratio of the scores of the best shift and of others above which X is shifted."""


def x_findings(survey: Survey) -> Iterator[Finding]:
    """Findings about each X of each split."""
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
            for finding in x_rules(x, widest):
                text, rule = which + finding.text, f"{finding.rule} {which}".strip()
                yield replace(finding, rule=rule, text=text, splits=(split.name,))


def x_rules(x: XStatistics, width: int) -> Iterator[Finding]:
    """Findings about one X of images that are `width` pixels wide."""
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
            f"Each file of the {x.kind} holds only one value, {number(x.low)} in the first, so a "
            "teacher learns nothing from it; make the files again.",
            frames=tuple(x.constant.first),
        )
        return
    yield from _valid_pixels(x)
    units, direction = [*unit_findings(x, width)], [*_direction(x)]
    if direction and any(finding.severity == "error" for finding in units):
        # The wrong kind explains both; no unit would correct it.
        yield replace(direction[0], severity="error")
    else:
        yield from units + direction
    yield from _calibration(x)


def _valid_pixels(x: XStatistics) -> Iterator[Finding]:
    if x.valid_share < MIN_VALID_SHARE:
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
            f"The {x.kind} has only one value in {x.constant.count} of "
            f"{counted(x.files, 'file')} (first {x.constant.names}); make them again, or leave "
            "these frames out.",
            frames=tuple(x.constant.first),
        )


def _direction(x: XStatistics) -> Iterator[Finding]:
    """In images that look ahead depth falls towards the bottom row, and disparity grows."""
    frames = x.grows + x.falls
    if frames < x.files / 2:
        return
    if x.kind == "depth" and x.grows >= MIN_AGREEING_SHARE * frames:
        yield Finding(
            "warning",
            "direction",
            f"The depth grows towards the bottom of {x.grows} of {x.files} images, where a camera "
            "that looks ahead sees what is near; if it is disparity or inverse depth, set the kind "
            "to `disparity` or `inverse_depth`.",
        )
    elif x.kind in ("disparity", "inverse_depth") and x.falls >= MIN_AGREEING_SHARE * frames:
        yield Finding(
            "warning",
            "direction",
            f"The {x.kind} falls towards the bottom of {x.falls} of {x.files} images, where a "
            "camera that looks ahead sees what is near; if it is depth, set the kind to `depth` "
            "and its unit.",
        )


def _calibration(x: XStatistics) -> Iterator[Finding]:
    """A finding about jumps of X that lie next to the edges of the image, all on one side."""
    best, frames = x.alignment.best, x.alignment.frames
    if best is None or frames < MIN_ALIGNED_FRAMES:
        return
    # Stereo matching widens what is near: its jumps lie next to the edges, but on all sides.
    others = max(best.unshifted, best.opposite, 0.0)
    if best.score < MIN_SCORE or best.score < MIN_GAIN * others:
        return
    moves = [
        f"{abs(pixels)} px {ways[pixels > 0]}"
        for pixels, ways in ((best.right, ("left", "right")), (best.down, ("up", "down")))
        if pixels
    ]
    yield Finding(
        "warning",
        "calibration",
        f"The {x.kind} does not jump where the images have edges: of all shifts, {x.kind} moved "
        f"{' and '.join(moves)} fits best ({frames} frames); correct the calibration that it was "
        "made with, or the order or times of its files.",
    )
