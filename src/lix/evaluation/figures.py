"""Figures: colours, text and files that all share, and the curves of one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lix.core.files import atomic_write
from lix.runs.history import Row

COLOURS = ("#4a5568", "#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#319795", "#975a16")
"""Line colours that differ on white and on grey paper."""
DPI = 150
LOSSES = {"loss": "training", "val_loss": "validation"}
"""Quantities of a history in the panel of losses, and their names there."""
MAX_DOTS = 50
"""Points above which a curve has no dots."""

Points = list[tuple[int, float]]


def figure_text(text: str) -> str:
    r"""Text as Matplotlib draws it, without its formulas.

    >>> print(figure_text("5 $"))
    5 \$
    """
    return text.replace("$", r"\$")


def write_figure(figure: Figure, stream: Path | IO[bytes], form: str) -> None:
    """Write a figure as `png` or `svg`; equal figures are equal files."""
    metadata = {"Date": None} if form == "svg" else None
    with mpl.rc_context({"svg.hashsalt": "lix"}):
        figure.savefig(stream, format=form, dpi=DPI, metadata=metadata)


def save_figure(figure: Figure, file: Path) -> Path:
    """Write a figure as its file's ending says, whole or not at all."""
    with atomic_write(file) as part:
        write_figure(figure, part, file.suffix[1:])
    return file


def run_curves(history: Iterable[Row]) -> Figure:
    """Loss and its terms, validation mIoU and learning rate of one run over its epochs."""
    curves: dict[str, Points] = {}
    for epoch, name, value in history:
        curves.setdefault(name, []).append((epoch + 1, value))
    terms = sorted(name for name in curves if name.startswith("loss_"))
    losses = {label: curves[name] for name, label in LOSSES.items() if name in curves}
    if len(terms) > 1:  # one term is the loss
        losses |= {name.removeprefix("loss_"): curves[name] for name in terms}
    scores = [(epoch, 100 * value) for epoch, value in curves.get("val_mIoU", [])]
    panels = {
        "loss": losses,
        "validation mIoU %": {"mIoU": scores},
        "learning rate": {"lr": curves.get("lr", [])},
    }
    figure = Figure((12.6, 3.4))
    # A layout that Matplotlib finds takes as long as the drawing.
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.15, top=0.97, wspace=0.32)
    for axes, (panel, lines) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        _panel(axes, lines)
        axes.set(xlabel="epoch", ylabel=panel)
    return figure


def _panel(axes: Axes, lines: Mapping[str, Points]) -> None:
    for colour, (name, points) in zip(COLOURS, lines.items(), strict=False):
        epochs, values = [epoch for epoch, _ in points], [value for _, value in points]
        dots = "." if len(points) <= MAX_DOTS else ""
        axes.plot(epochs, values, color=colour, marker=dots, label=figure_text(name))
    tidy(axes)
    if len(lines) > 1:
        axes.legend(frameon=False, fontsize=8)


def tidy(axes: Axes) -> None:
    """Whole epochs, a faint grid and no frame."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
