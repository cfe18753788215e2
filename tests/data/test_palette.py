"""Colours of classes differ for every reader."""

from __future__ import annotations

import numpy as np
import pytest

from lix.data.palette import OKABE_ITO, VISIONS, distinct_colours, seen_lab


def nearest(colours: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """(V,) smallest distance of two colours in CIELAB, by vision."""
    labs = seen_lab(np.array([(0, 0, 0), *colours], float))
    apart = np.linalg.norm(labs[:, :, None] - labs[:, None], axis=-1)
    return (apart + 1e9 * np.eye(len(colours) + 1)).min(axis=(1, 2))


@pytest.mark.parametrize(("count", "least"), [(7, 16), (12, 16), (19, 16), (40, 10), (254, 2)])
def test_colours_are_far_apart_also_for_the_colour_blind(count: int, least: float) -> None:
    colours = distinct_colours(count)
    assert len(colours) == count
    assert nearest(colours).min() > least


def test_more_classes_keep_the_colours_of_the_first() -> None:
    assert distinct_colours(3) == OKABE_ITO[:3]
    assert distinct_colours(40)[:19] == distinct_colours(19)


def test_lab_has_the_standard_values_of_red_and_white() -> None:
    red, white = seen_lab(np.array([[255.0, 0, 0], [255, 255, 255]]))[0]
    assert red == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert white == pytest.approx([100, 0, 0], abs=0.05)


def test_who_lacks_a_cone_sees_grey_as_grey_and_red_near_green() -> None:
    assert VISIONS.sum(axis=2) == pytest.approx(np.ones((3, 3)), abs=1e-5)
    pair = seen_lab(np.array([[200.0, 60, 0], [90, 110, 0]]))
    apart = np.linalg.norm(pair[:, 0] - pair[:, 1], axis=-1)
    assert (apart[1:] < 0.5 * apart[0]).all()
