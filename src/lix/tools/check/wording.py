"""Numbers for reading."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """Three digits, or all before the point.

    >>> number(0.01524), number(15020.4), number(math.nan)
    ('0.0152', '15020', '–')
    """
    if not math.isfinite(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "image"), counted(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: float, digits: int = 0) -> str:
    """A share in percent.

    >>> percent(0.256), percent(0.25, 2), percent(0.00002, 2), percent(0.0, 2), percent(1.0, 2)
    ('26 %', '25.00 %', '<0.01 %', '0 %', '100 %')
    """
    if math.isnan(share):
        return "–"
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    least = 10.0**-digits
    return f"{100 * share:.{digits}f} %" if 100 * share >= least else f"<{least:g} %"
