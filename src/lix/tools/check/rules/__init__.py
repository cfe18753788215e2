"""The rules of `lix data check`: each file judges one part of a survey."""

from __future__ import annotations

from lix.tools.check.finding import Finding, merged
from lix.tools.check.rules.files import file_findings
from lix.tools.check.rules.labels import label_findings
from lix.tools.check.rules.splits import split_findings
from lix.tools.check.rules.x import x_findings
from lix.tools.check.survey import Survey

RULES = (file_findings, label_findings, x_findings, split_findings)


def evaluate_rules(survey: Survey) -> list[Finding]:
    """All findings, the worst first."""
    return merged(finding for rule in RULES for finding in rule(survey))
