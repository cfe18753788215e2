"""A survey → what to tell the user."""

from __future__ import annotations

from lix.tools.check.about_files import about_files
from lix.tools.check.about_labels import about_labels
from lix.tools.check.about_splits import about_splits
from lix.tools.check.about_x import about_x
from lix.tools.check.finding import Finding, merged
from lix.tools.check.survey import Survey

ABOUT = (about_files, about_labels, about_x, about_splits)


def judge(survey: Survey) -> list[Finding]:
    """All findings, the worst first."""
    return merged(finding for about in ABOUT for finding in about(survey))
