"""What is worth saying about a data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from lix.tools.check.tallies import Frame

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""


@dataclass(frozen=True)
class Finding:
    """A fault, what makes one likely, or what is good to know."""

    severity: Severity
    rule: str
    """What was looked for, as in `depth-unit`."""
    text: str
    """What is wrong and the fix."""
    splits: tuple[str, ...] = ()
    """Where, unless the text says so itself."""
    frames: tuple[Frame, ...] = ()
    """Examples."""

    def __str__(self) -> str:
        alike = f" ({' and '.join(self.splits[1:])} alike)" if self.splits[1:] else ""
        return f"{self.splits[0]}{alike}: {self.text}" if self.splits else self.text


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; what one rule finds in several splits is said once, of the first of them."""
    found: dict[tuple[str, str], Finding] = {}
    for number, finding in enumerate(findings):
        key = finding.rule, finding.severity if finding.splits else str(number)
        if key in found:
            first = found[key]
            finding = replace(
                first,
                splits=(*first.splits, *finding.splits),
                frames=first.frames + finding.frames,
            )
        found[key] = finding
    return sorted(found.values(), key=lambda finding: SEVERITIES.index(finding.severity))
