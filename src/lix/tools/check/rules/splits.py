"""Rules about copies, and about what training shares with validation and test."""

from __future__ import annotations

from collections.abc import Iterator

from lix.tools.check.finding import Finding, counted
from lix.tools.check.survey import Survey

MAX_NAMES_SHOWN = 3
"""Maximum number of sequences and instants that are named."""


def split_findings(survey: Survey) -> Iterator[Finding]:
    """Findings about images that occur twice, and drives and instants on both sides."""
    for (split, other), group in survey.copies.items():
        frames = tuple(group.first)
        if split == other:
            yield Finding(
                "warning",
                "copies",
                f"Copies of other images, pixel by pixel: {group.count} ({group.names}); remove "
                "them, or they count twice.",
                (split,),
                frames,
            )
        else:
            yield Finding(
                "error",
                "leak",
                f"{split} and {other} share {counted(group.count, 'image')}, pixel by pixel "
                f"({group.names}), so scores on {other} mean nothing; remove them from one of the "
                "two, or split again with `lix data split`.",
                frames=frames,
            )
    others = [name for name in survey.splits if name != "train"]
    for split in others if "train" in survey.splits else []:
        yield from [*_instants(survey, split)] or _sequences(survey, split)


def _sequences(survey: Survey, split: str) -> Iterator[Finding]:
    train, other = (survey.splits[name].sequences for name in ("train", split))
    shared = sorted(name for name in train.keys() & other.keys() if train[name] + other[name] > 2)
    if shared and len(train | other) > 1:
        yield Finding(
            "warning",
            "sequences",
            f"By their names, frames of {len(shared)} of the {len(other)} sequences in {split} are "
            f"in train too ({_named(shared)}); neighbours look nearly the same, so scores flatter: "
            "keep sequences together with `lix data split`, unless you repeat a published split.",
        )


def _instants(survey: Survey, split: str) -> Iterator[Finding]:
    train, other = (survey.splits[name].instants for name in ("train", split))
    shared = sorted(train & other)
    if shared:
        yield Finding(
            "warning",
            "instants",
            f"By their names, frames in train and in {split} show the same {len(shared)} of the "
            f"{counted(len(other), 'instant')} in {split} ({_named(shared)}), as other cameras or "
            "other weather do, so scores flatter: keep them together with `lix data split`, unless "
            "you repeat a published split.",
        )


def _named(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMES_SHOWN]) + (", …" if len(names) > MAX_NAMES_SHOWN else "")
