"""Colours of classes that people can tell apart, also those who are colour-blind."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Colours = tuple[tuple[int, int, int], ...]

OKABE_ITO: Colours = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
)
"""Okabe and Ito, "Color Universal Design", 2008, without black, which pictures show as ignored."""
STEPS = 12
"""Number of values of red, green and blue among which further colours are sought."""
DARKEST, LIGHTEST = 25.0, 92.0
"""Range of the lightness L* of further colours."""
PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
VISIONS = np.array([np.eye(3), PROTANOPIA, DEUTERANOPIA])
"""Linear RGB as seen with full vision and without a cone (Machado et al., TVCG 2009)."""
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
"""Linear sRGB → CIE XYZ."""


@cache
def distinct_colours(count: int) -> Colours:
    """`count` RGB colours: those of Okabe and Ito, then each as far from all others as can be.

    A distance is that in CIELAB, for whichever of `VISIONS` it is smallest; black counts as used.
    """
    chosen = list(OKABE_ITO[:count])
    if count <= len(OKABE_ITO):
        return tuple(chosen)
    grid = np.stack(np.meshgrid(*[np.linspace(0, 255, STEPS).round()] * 3, indexing="ij"), -1)
    candidates = grid.reshape(-1, 3)
    lightness = seen_lab(candidates)[0, :, 0]
    candidates = candidates[(lightness > DARKEST) & (lightness < LIGHTEST)]
    labs = seen_lab(candidates)
    nearest = np.full(len(candidates), np.inf)
    for colour in (*chosen, (0, 0, 0)):
        nearest = np.minimum(nearest, _distances(labs, colour))
    while len(chosen) < count:
        red, green, blue = (int(value) for value in candidates[nearest.argmax()])
        chosen.append((red, green, blue))
        nearest = np.minimum(nearest, _distances(labs, chosen[-1]))
    return tuple(chosen)


def seen_lab(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) sRGB in [0, 255] → (V, N, 3) CIELAB as seen with each of `VISIONS`."""
    srgb = colours / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    perceived = (linear @ VISIONS.transpose(0, 2, 1)).clip(0, 1)
    relative = perceived @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    f = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _distances(labs: NDArray[np.float64], colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """(V, N, 3) colours as seen → (N,) their distance to one more, with the worst vision."""
    other = seen_lab(np.array([colour], dtype=np.float64))
    distances: NDArray[np.float64] = np.linalg.norm(labs - other, axis=-1).min(axis=0)
    return distances
