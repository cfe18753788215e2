"""Findings about a data set, and the words for their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from lix.tools.check.statistics import Frame

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""


@dataclass(frozen=True)
class Finding:
    """A fault, a sign of one, or a note."""

    severity: Severity
    rule: str
    """Name of the rule, as in `depth-unit`."""
    text: str
    """What is wrong and the fix."""
    splits: tuple[str, ...] = ()
    """Splits that it is about, unless the text names them."""
    frames: tuple[Frame, ...] = ()
    """Examples."""

    def __str__(self) -> str:
        others = f" ({' and '.join(self.splits[1:])} too)" if self.splits[1:] else ""
        return f"{self.splits[0]}{others}: {self.text}" if self.splits else self.text


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; findings of one rule in several splits become one, with the first's text."""
    by_rule: dict[tuple[str, str], Finding] = {}
    for place, finding in enumerate(findings):
        key = finding.rule, finding.severity if finding.splits else str(place)
        if key in by_rule:
            first = by_rule[key]
            finding = replace(
                first,
                splits=(*first.splits, *finding.splits),
                frames=first.frames + finding.frames,
            )
        by_rule[key] = finding
    return sorted(by_rule.values(), key=lambda finding: SEVERITIES.index(finding.severity))


def number(value: float) -> str:
    """A number with three digits, or with all before the point.

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
