"""What the colours of predictions mean, as a picture and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from lix.core.files import write_text
from lix.deploy.image_files import Palette, save_png

ROW, SWATCH, MARGIN = 28, 20, 12
"""Height of a row, side of a swatch, and space around, in pixels."""
ROWS = 20
"""Maximum number of classes in a column."""


def write_legend(output: Path, classes: Sequence[str], palette: Palette) -> None:
    """Write `legend.png` and `classes.json`: a list of value, name and colour by train id.

    Raises:
        OSError: the folder cannot be written.
    """
    save_png(draw_legend(classes, palette), output / "legend.png")
    entries = [
        json.dumps({"value": value, "name": name, "colour": colour}, ensure_ascii=False)
        for value, (name, colour) in enumerate(zip(classes, palette, strict=True))
    ]
    write_text(output / "classes.json", "[\n  " + ",\n  ".join(entries) + "\n]\n")


def draw_legend(classes: Sequence[str], palette: Palette) -> Image.Image:
    """A swatch and a name for each class, in columns of at most `ROWS`."""
    font = _font()
    columns = [range(first, len(classes))[:ROWS] for first in range(0, len(classes), ROWS)]
    names = [[" ".join(classes[value].split()) for value in column] for column in columns]
    widths = [
        SWATCH + 2 * MARGIN + round(max(map(font.getlength, shown))) + MARGIN for shown in names
    ]
    height = min(len(classes), ROWS) * ROW + 2 * MARGIN
    image = Image.new("RGB", (sum(widths) + MARGIN, height), "white")
    draw = ImageDraw.Draw(image)
    left = MARGIN
    for column, shown, width in zip(columns, names, widths, strict=True):
        for row, (value, name) in enumerate(zip(column, shown, strict=True)):
            top = MARGIN + row * ROW
            box = (left, top + 4, left + SWATCH - 1, top + 3 + SWATCH)
            draw.rectangle(box, fill=tuple(palette[value]), outline="black")
            middle = (left + SWATCH + MARGIN, top + 4 + SWATCH // 2)
            draw.text(middle, name, fill="black", font=font, anchor="lm")
        left += width
    return image


def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: names in most alphabets."""
    import matplotlib as mpl

    path = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), 16)
