"""Rules about the range of X, with the mistake in its unit, scale or kind that explains it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from lix.data.encode import FAR, NEAR, WIDEST
from lix.data.options import Span
from lix.data.x_files import UNITS, XFiles
from lix.tools.check.finding import Finding, number, percent
from lix.tools.check.statistics import XStatistics

TYPICAL_MEDIAN = 15.0
"""Typical median depth of streets in metres."""
PLAUSIBLE_MEDIAN = (1.5, 150.0)
"""Range of plausible median depths in metres."""
MAX_MEDIAN, MIN_MEDIAN = 500.0, 0.1
"""Median depths in metres beyond which the unit must be wrong."""
MAX_RELATIVE = 1.01
"""Depth that never exceeds this is relative rather than metric."""
SCALES = (1.0, 1 / 256)
"""The scales of most files."""
MAX_SHARE_AT_END = 0.02
"""Share of the pixels at the largest depth above which that depth is not a measurement."""
MAX_SHARE_OUTSIDE = 0.3
"""Share of the pixels outside of the range of the encoding above which there is a warning."""
MIN_DISPARITY = 0.005
"""90th percentile of disparity, as a share of the width, below which it is too small."""


def unit_findings(x: XStatistics, width: int) -> Iterator[Finding]:
    """Findings about the range of an X that has valid pixels.

    Args:
        x: one X of a split.
        width: width of the images in pixels.
    """
    if x.kind == "depth":
        yield from _depth(x)
    elif x.kind == "disparity":
        yield from _disparity(x, width)
    elif x.kind == "normal":
        yield from _normal(x)
    elif x.kind == "channels":
        yield from _channels(x)


def _depth(x: XStatistics) -> Iterator[Finding]:
    (median,) = x.percentiles(50)
    if x.description is not None and x.description.range is not None:
        yield from _outside(x, x.description.range, 1.0, " m")
        yield from _code(x)
        return
    is_relative = x.high <= MAX_RELATIVE
    says, fixes = f"The median depth is {number(median)} m", _fixes(median, x.description)
    if NEAR <= median <= FAR and not is_relative:
        if fixes and median > PLAUSIBLE_MEDIAN[1]:
            text = f"{says}, farther than in most scenes; if it is not so far, set {fixes}."
            yield Finding("warning", "depth-unit", text)
        near = 1 - x.quantiles.share_above(NEAR)
        if near > MAX_SHARE_OUTSIDE:
            yield Finding(
                "warning",
                "depth-near",
                f"{percent(near)} of the depth is nearer than {NEAR:g} m, where networks see "
                f"no differences; {_range(x)}.",
            )
    elif median > MAX_MEDIAN or median < MIN_MEDIAN or is_relative:
        fix = f"set {fixes}" if fixes else "correct the unit and scale of its description"
        if is_relative:
            fix += "; or, if it is relative, in [0, 1] and 1 is near, set `kind: inverse_depth`"
        is_odd = not MIN_MEDIAN <= median <= MAX_MEDIAN
        far = f"too {'far' if median > MAX_MEDIAN else 'near'} for any scene"
        far = far if is_odd else f"but networks only tell apart {NEAR:g} to {FAR:g} m"
        text = f"{says}, {far}; {fix}; or, if it is right, {_range(x)}."
        if not is_odd:
            text = f"{says}, {far}; if it is right, {_range(x)}; if not, {fix}."
        yield Finding("error", "depth-unit", text)
    else:
        yield Finding(
            "error",
            "depth-range",
            f"{says}, but networks only tell apart {NEAR:g} to {FAR:g} m"
            f"{'' if median > FAR else f': if it is right, {_range(x)}'}; "
            f"{f'set {fixes}' if fixes else 'correct the unit or scale'}, or scale the depth of "
            f"so {'large' if median > FAR else 'small'} a scene into that range"
            f"{f', or, if it is right, {_range(x)}' if median > FAR else ''}.",
        )
    yield from _code(x)


def _range(x: XStatistics, whole: float = 1.0) -> str:
    """The range to write: the 1st and 99th percentile.

    Args:
        x: one X of a split.
        whole: what the range counts in; the width for disparity.
    """
    low, high = x.percentiles(1, 99)
    return (
        f"write `range: [{number(low / whole)}, {number(high / whole)}]`, its 1st and 99th "
        "percentile, under `x`"
    )


def _outside(x: XStatistics, span: Span, whole: float, unit: str) -> Iterator[Finding]:
    """A finding about an X of which much lies outside its `range`."""
    above, least = (x.quantiles.share_above(limit * whole) for limit in (span[1], span[0]))
    outside = above + 1 - least
    if outside > MAX_SHARE_OUTSIDE:
        yield Finding(
            "warning",
            f"{x.kind}-range",
            f"{percent(outside)} of the {x.kind} is outside of the range {span[0]:g} to "
            f"{span[1]:g}{unit}, where networks see no differences; {_range(x, whole)}.",
        )


def _code(x: XStatistics) -> Iterator[Finding]:
    """Findings about a largest depth that many pixels share, with a gap below it."""
    at_most = x.quantiles.share_above(0.995 * x.high)
    (below,) = x.percentiles(max(0.0, 99 - 100 * at_most))
    if at_most > MAX_SHARE_AT_END and x.high > 2 * below:
        yield Finding(
            "note",
            "depth-code",
            f"{percent(at_most)} of the valid pixels have the largest depth, {number(x.high)} m; "
            'if that means sky or "not measured", add its value on disk to `invalid`.',
        )


def _fixes(median: float, files: XFiles | None) -> str:
    """The changes of a description that make the median believable, the best first.

    Args:
        median: metres by the description as it is.
        files: the description; None if there is none to change.
    """
    if files is None or not files.scale:
        return ""
    per_metre = UNITS | {"m": 1}
    unit = files.unit or "m"
    stored = (median * per_metre[unit] - files.offset) / files.scale
    fixes = []
    for other, scale in product(("m", "cm", "mm"), {files.scale, *SCALES}):
        metres = (stored * scale + files.offset) / per_metre[other]
        if PLAUSIBLE_MEDIAN[0] <= metres <= PLAUSIBLE_MEDIAN[1] and not 0.5 < metres / median < 2:
            changes = []
            if other != unit:
                changes.append(f"`unit: {other}`" + (f" instead of `{unit}`" if files.unit else ""))
            if scale != files.scale:
                had = f" instead of `{_fraction(files.scale)}`" if files.scale != 1 else ""
                changes.append(f"`scale: {_fraction(scale)}`" + had)
            distance = abs(math.log(metres / TYPICAL_MEDIAN))
            text = f"{' and '.join(changes)} (then it is {number(metres)} m)"
            fixes.append((len(changes), distance, text))
    fixes.sort()
    return " or ".join(text for changes, _, text in fixes if changes == fixes[0][0])


def _fraction(scale: float) -> str:
    """A number as the user writes it: 1/256 rather than 0.00390625."""
    below = 1 / scale
    return f"1/{below:.0f}" if below > 1.5 and abs(below - round(below)) < 1e-6 else f"{scale:g}"


def _disparity(x: XStatistics, width: int) -> Iterator[Finding]:
    most, nearly_all = x.percentiles(99, 90)
    span = x.description.range if x.description is not None else None
    if span is not None:
        yield from _outside(x, span, width or 1, " of the width")
        return
    if width and most > width:
        yield Finding(
            "error",
            "disparity-scale",
            f"The disparity reaches {number(most)} px in images that are {width} px wide, which "
            "cannot be; `scale: 1/256` was forgotten, or it is depth: set `kind: depth` and its "
            "unit.",
        )
    elif width and nearly_all < min(1.0, MIN_DISPARITY * width):
        yield Finding(
            "error",
            "disparity-scale",
            f"Nine of ten disparities are below {number(nearly_all)} px, so nothing is near; "
            "`scale: 1/256` was applied twice, or they are shares of the width (set `scale: "
            f"{width}`) or relative (set `kind: inverse_depth`).",
        )
    elif width and (near := x.quantiles.share_above(WIDEST * width)) > MAX_SHARE_OUTSIDE:
        yield Finding(
            "warning",
            "disparity-near",
            f"{percent(near)} of the disparity is above {percent(WIDEST)} of the width, where "
            f"networks see no differences; {_range(x, width)}.",
        )


def _normal(x: XStatistics) -> Iterator[Finding]:
    low, median, high = x.percentiles(1, 50, 99)
    if low > 0.95 and high < 1.05:
        return
    if median > 2:
        fix = "they look like 8-bit pictures of normals: set `scale: 2/255` and `offset: -1`"
        fix = fix if x.high <= 255 else "set the scale and offset that make them so"
    elif x.low >= 0:
        fix = "without negative parts they look like (n + 1) / 2: set `scale: 2` and `offset: -1`"
    else:
        fix = "divide each by its length, and list under `invalid` what is not a normal"
    yield Finding(
        "error",
        "normal-length",
        f"The normals have lengths from {number(low)} to {number(high)} (1st to 99th percentile) "
        f"but must have 1; {fix}.",
    )


def _channels(x: XStatistics) -> Iterator[Finding]:
    if x.low >= -1e-3 and x.high <= 1 + 1e-3:
        return
    largest = next((top for top in (255, 65535) if 2 < x.high <= top and x.low >= 0), None)
    fix = f"set `scale: 1/{largest}`" if largest else "set the scale and offset that make them so"
    yield Finding(
        "error",
        "channels-range",
        f"The channels go from {number(x.low)} to {number(x.high)} but must lie in [0, 1]; {fix}.",
    )
