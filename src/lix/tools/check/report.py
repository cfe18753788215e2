"""`check.html`: the survey, its findings and example frames in one file that needs no network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lix import __version__
from lix.core.files import write_text
from lix.data.sample import SegDataset
from lix.tools.check.finding import Finding
from lix.tools.check.pictures import panels
from lix.tools.check.summary import headline, verdict
from lix.tools.check.survey import Survey, spaced
from lix.tools.check.tables import class_rows, split_table, x_table
from lix.tools.check.tallies import Frame
from lix.tools.check.wording import percent

EXAMPLES = 3
"""Frames shown of each split, evenly spaced."""
FAULTY = 9
"""Frames with findings shown beside them."""


def write_page(
    survey: Survey,
    findings: Sequence[Finding],
    datasets: Mapping[str, SegDataset],
    path: Path,
) -> None:
    """Write the page."""
    environment = Environment(
        loader=PackageLoader("lix.tools.check"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"percent": percent, "prose": _prose}
    classes = class_rows(survey)
    largest = max((s for row in classes for s in row.shares if s == s), default=0) or 1.0  # noqa: PLR0124
    page = environment.get_template("check.html").render(
        survey=survey,
        headline=headline(survey),
        verdict=verdict(findings),
        findings=findings,
        splits=split_table(survey),
        x=x_table(survey),
        classes=classes,
        largest=largest,
        examples=[
            {"frame": frame, "panels": panels(datasets[frame.split], frame.id), "texts": texts}
            for frame, texts in _chosen(findings, datasets)
        ],
        version=__version__,
    )
    write_text(path, page)


def _prose(text: object) -> Markup:
    """Escaped text with what stands in backticks as code."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(str(text)))))  # noqa: S704


def _chosen(
    findings: Sequence[Finding], datasets: Mapping[str, SegDataset]
) -> Iterator[tuple[Frame, list[str]]]:
    """Frames with findings and what these say, one of each first; then evenly spaced ones."""
    said: dict[tuple[str, str], list[str]] = {}
    ranks = zip_longest(*([(frame, f.text) for frame in f.frames] for f in findings))
    for frame, text in filter(None, chain.from_iterable(ranks)):
        where = frame.split, frame.id
        if where in said or len(said) < FAULTY:
            said.setdefault(where, []).append(text)
    for split, dataset in datasets.items():
        for index in spaced(len(dataset), EXAMPLES):
            said.setdefault((split, dataset.ids[index]), [])
    for (split, frame_id), texts in said.items():
        yield Frame(split, frame_id, frame_id), texts
