"""Findings about the range of X, with the mistake in its unit, scale or kind that explains it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lix.data.check.finding import Finding
from lix.data.check.tallies import XTally
from lix.data.check.wording import number, percent
from lix.data.x import FAR, NEAR

USUAL = 15.0
"""Metres; the median depth of streets is near that."""
PLAUSIBLE = (1.0, 150.0)
"""Metres between which a median depth is believed."""
FARTHEST, NEAREST = 500.0, 0.3
"""Metres beyond which no median depth is believed."""
RELATIVE = 1.01
"""What never exceeds this is relative depth rather than metres."""
FORGOTTEN = {"unit: mm": 1000, "unit: cm": 100, "scale: 1/256": 256}
"""Entries of a description, and by how much depth is too large without them."""
CORRECT = "correct the unit and scale of its description"
CODE = 0.02
"""A larger share of the pixels at the very largest depth is no measurement."""
LEAST = 0.005
"""Disparity of nearly all pixels, as a share of the width, below which it is too small."""


def about_units(x: XTally, width: int) -> Iterator[Finding]:
    """What is wrong with the range of an X that has valid pixels.

    Args:
        x: one X of a split.
        width: of the images, in pixels.
    """
    if x.kind == "depth":
        yield from _depth(x)
    elif x.kind == "disparity":
        yield from _disparity(x, width)
    elif x.kind == "normal":
        yield from _normal(x)
    elif x.kind == "channels":
        yield from _channels(x)


def _depth(x: XTally) -> Iterator[Finding]:
    (median,) = x.percentiles(50)
    says = f"The median depth is {number(median)} m"
    if median > FARTHEST:
        fixes = _fixes({fix: median / factor for fix, factor in FORGOTTEN.items()})
        fix = f"set {' or '.join(fixes)}" if fixes else CORRECT
        yield Finding("error", "depth-unit", f"{says}, too far for any scene; {fix}.")
    elif median < NEAREST or x.high <= RELATIVE:
        again = _fixes({fix: median * factor for fix, factor in FORGOTTEN.items()})
        fix = f"leave out {' or '.join(again)}" if again else CORRECT
        if x.high <= RELATIVE:
            fix += "; or, if it is relative, in [0, 1] and 1 is near, set `kind: inverse_depth`"
        yield Finding("error", "depth-unit", f"{says}, too near for any scene; {fix}.")
    elif not NEAR <= median <= FAR:
        yield Finding(
            "warning",
            "depth-range",
            f"{says}, but networks tell apart {NEAR:g} to {FAR:g} m alone; correct the unit or "
            "scale, or scale the depth of so small or large a scene into that range.",
        )
    yield from _code(x)


def _code(x: XTally) -> Iterator[Finding]:
    """A gap below the largest depth, which many pixels have."""
    at_most = x.quantiles.share_above(0.995 * x.high)
    (below,) = x.percentiles(max(0.0, 99 - 100 * at_most))
    if at_most > CODE and x.high > 2 * below:
        yield Finding(
            "note",
            "depth-code",
            f"{percent(at_most)} of the valid pixels have the largest depth, {number(x.high)} m; "
            'if that means sky or "not measured", add its value on disk to `invalid`.',
        )


def _fixes(medians: dict[str, float]) -> list[str]:
    """The entries that make the median believable, the best first."""
    believed = {fix: m for fix, m in medians.items() if PLAUSIBLE[0] <= m <= PLAUSIBLE[1]}
    ranked = sorted(believed, key=lambda fix: abs(math.log(believed[fix] / USUAL)))
    return [f"`{fix}` (then it is {number(believed[fix])} m)" for fix in ranked]


def _disparity(x: XTally, width: int) -> Iterator[Finding]:
    most, nearly_all = x.percentiles(99, 90)
    if width and most > width:
        yield Finding(
            "error",
            "disparity-scale",
            f"The disparity reaches {number(most)} px in images that are {width} px wide, which "
            "cannot be; `scale: 1/256` was forgotten, or it is depth: set `kind: depth` and its "
            "unit.",
        )
    elif width and nearly_all < min(1.0, LEAST * width):
        yield Finding(
            "error",
            "disparity-scale",
            f"Nine of ten disparities are below {number(nearly_all)} px, so nothing is near; "
            "`scale: 1/256` was applied twice, or they are shares of the width (set `scale: "
            f"{width}`) or relative (set `kind: inverse_depth`).",
        )


def _normal(x: XTally) -> Iterator[Finding]:
    low, median, high = x.percentiles(1, 50, 99)
    if low > 0.95 and high < 1.05:
        return
    if median > 2:
        fix = "they look like 8-bit pictures of normals: set `scale: 2/255` and `offset: -1`"
        fix = fix if x.high <= 255 else "set the scale and offset that make them so"
    elif x.low >= 0:
        fix = "without negative parts they look like (n + 1) / 2: set `scale: 2` and `offset: -1`"
    else:
        fix = "divide each by its length, and list under `invalid` what is none"
    yield Finding(
        "error",
        "normal-length",
        f"The normals have lengths from {number(low)} to {number(high)} (1st to 99th percentile) "
        f"but must have 1; {fix}.",
    )


def _channels(x: XTally) -> Iterator[Finding]:
    if x.low >= -1e-3 and x.high <= 1 + 1e-3:
        return
    largest = next((top for top in (255, 65535) if 2 < x.high <= top and x.low >= 0), None)
    fix = f"set `scale: 1/{largest}`" if largest else "set the scale and offset that make them so"
    yield Finding(
        "error",
        "channels-range",
        f"The channels go from {number(x.low)} to {number(x.high)} but must lie in [0, 1]; {fix}.",
    )
