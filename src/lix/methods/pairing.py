"""Which student map is compared with which teacher map, proposed by stride."""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

from lix.methods.base import FeaturePair
from lix.networks.base import FeatureSpec, SegNetwork

LEFT_OUT = 1.5
"""What a map left out costs, in octaves of stride between two maps that are paired."""


class Pairing(NamedTuple):
    """Names of the maps compared, in order, and their specs."""

    student: tuple[str, ...]
    teacher: tuple[str, ...]
    pairs: tuple[FeaturePair, ...]

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("student", *FeatureSpec._fields, "teacher", *FeatureSpec._fields)
        ]
        for s, t, (ours, theirs) in zip(self.student, self.teacher, self.pairs, strict=True):
            rows.append((s, *map(str, ours), t, *map(str, theirs)))
        widths = [max(len(row[i]) for row in rows) for i in range(6)]
        table = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
        freeze = [
            f"student_maps, teacher_maps = {self.student!r}, {self.teacher!r}",
            "pairs = [FeaturePair(student.feature_specs[s], teacher.feature_specs[t])",
            "         for s, t in zip(student_maps, teacher_maps)]",
        ]
        return "\n".join([*(line.rstrip() for line in table), "", *freeze])


def pair(teacher: SegNetwork, student: SegNetwork, *, show: bool = True) -> Pairing:
    """Propose pairs of the default maps of two networks, in order, with the nearest strides.

    Args:
        teacher, student: the networks.
        show: print the table, and the code that freezes the choice.

    Raises:
        ValueError: a network has no maps.
    """
    most = min(len(student.default_features), len(teacher.default_features))
    if most == 0:
        raise ValueError("No maps to pair: wrap both networks with features={...}.")

    def cost(names: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[float, int, int]:
        """Octaves between strides, then other names, then shallow maps."""
        both = list(zip(*names, strict=True))
        strides = [
            (student.feature_specs[ours].stride, teacher.feature_specs[theirs].stride)
            for ours, theirs in both
        ]
        octaves = sum(abs(math.log2(ours / theirs)) for ours, theirs in strides)
        other_names = sum(ours != theirs for ours, theirs in both)
        return octaves + LEFT_OUT * (most - len(both)), other_names, -sum(map(sum, strides))

    names = min(
        (
            (ours, theirs)
            for count in range(most, 0, -1)
            for ours in combinations(student.default_features, count)
            for theirs in combinations(teacher.default_features, count)
        ),
        key=cost,
    )
    specs = [
        FeaturePair(student.feature_specs[s], teacher.feature_specs[t])
        for s, t in zip(*names, strict=True)
    ]
    found = Pairing(*names, tuple(specs))
    if show:
        print(found)
    return found
