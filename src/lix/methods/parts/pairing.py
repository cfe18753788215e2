"""Which student map is compared with which teacher map, proposed by stride."""

from __future__ import annotations

import math
from typing import NamedTuple

from lix.core.types import FeatureSpec
from lix.methods.parts.base import FeaturePair
from lix.networks.parts.base import SegNetwork

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
        for s, t, (spec_s, spec_t) in zip(self.student, self.teacher, self.pairs, strict=True):
            rows.append((s, *map(str, spec_s), t, *map(str, spec_t)))
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
    if not (student.default_features and teacher.default_features):
        raise ValueError("No maps to pair: wrap both networks with features={...}.")
    names = _cheapest(student, teacher)
    specs = [
        FeaturePair(student.feature_specs[s], teacher.feature_specs[t])
        for s, t in zip(*names, strict=True)
    ]
    pairing = Pairing(*names, tuple(specs))
    if show:
        print(pairing)
    return pairing


Choice = tuple[tuple[float, int, int], tuple[tuple[str, str], ...]]
"""What pairs cost, and the pairs."""


def _cheapest(student: SegNetwork, teacher: SegNetwork) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The cheapest pairs in the order of both networks, by dynamic programming over their maps."""

    def cost(s: str, t: str) -> tuple[float, int, int]:
        """Octaves between strides, less what a pair saves; then other names, then shallow maps."""
        strides = student.feature_specs[s].stride, teacher.feature_specs[t].stride
        octaves = abs(math.log2(strides[0] / strides[1]))
        return round(octaves - LEFT_OUT, 9), int(s != t), -sum(strides)

    row: list[Choice] = [((0.0, 0, 0), ())] * (len(teacher.default_features) + 1)
    single: list[Choice] = []
    for s in student.default_features:
        before, row = row, row[:1]
        for j, t in enumerate(teacher.default_features, start=1):
            own_cost = cost(s, t)
            single.append((own_cost, ((s, t),)))
            total, chosen = before[j - 1]
            added = tuple(a + b for a, b in zip(total, own_cost, strict=True))
            joined: Choice = (added, (*chosen, (s, t)))  # type: ignore[assignment]
            row.append(min(before[j], row[j - 1], joined, key=lambda choice: choice[0]))
    pairs = row[-1][1] or min(single)[1]
    return tuple(s for s, _ in pairs), tuple(t for _, t in pairs)
