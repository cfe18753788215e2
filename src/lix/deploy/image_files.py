"""Image files: finding and reading photographs of any kind, drawing and writing results."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lix.core.errors import one_line
from lix.core.files import atomic_write
from lix.data.decode import IMAGE_SUFFIXES, require_one, require_whole_pixels, upright
from lix.data.patterns import walk
from lix.data.readers import UNREADABLE, foreign_kind

MAX_KINDS_SHOWN = 8
"""Maximum number of kinds of files that a message names."""
COMPRESSION = 3
"""Compression level of PNG files: a third of the default's time for a tenth more bytes."""

FINGERPRINT = b"lix\0"
"""Key of the text in a PNG file that holds a hash of what it was made of, and its end."""
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

Palette = Sequence[tuple[int, int, int]]
"""(R, G, B) by train id."""


def find_images(folder: Path, without: Path) -> list[Path]:
    """All images below `folder`, sorted, except hidden ones and those below `without`.

    Raises:
        ValueError: there is no image.
    """
    files = walk(folder, without=[without])
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        kinds = kinds_of(files) or "it is empty"
        raise ValueError(
            f"{folder} holds no image that lix reads ({kinds}); name a folder of images, an image "
            "or a video."
        )
    return images


def left_out(folder: Path, without: Path) -> list[Path]:
    """The files below `folder` that `find_images` leaves out as another kind of file."""
    files = walk(folder, without=[without])
    return [path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]


def kinds_of(files: Sequence[Path]) -> str:
    """The suffixes of files, to name them in a message."""
    kinds = sorted({path.suffix.lower() or path.name for path in files})
    more = ", …" if len(kinds) > MAX_KINDS_SHOWN else ""
    return ", ".join(kinds[:MAX_KINDS_SHOWN]) + more


def read_bytes(path: Path) -> bytes:
    """Content of a file.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); change its permissions or replace it."
        ) from None


def read_image(path: Path) -> Image.Image:
    """An image file as RGB, upright as its EXIF orientation says.

    Sixteen-bit grey is scaled to eight bits, transparency is dropped.

    Raises:
        ValueError: the file is not an image or damaged, or its values have no fixed range.
    """
    try:
        with Image.open(path) as file:
            require_one(file)
            require_whole_pixels(file)
            return _eight_bits(upright(file)).convert("RGB")
    except Image.DecompressionBombError:
        raise ValueError(
            f"{path} has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; cut it."
        ) from None
    except UNREADABLE as error:
        kind = foreign_kind(path)
        if kind is not None:
            raise ValueError(
                f"{path} is {kind}, which lix does not read; convert it to JPEG or PNG."
            ) from None
        raise ValueError(
            f"{path} is damaged or not an image ({one_line(error)}); replace the file."
        ) from None


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its numbers are floating point, which have no fixed range")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).clip(0, 65535)
    return Image.fromarray((values / 257.0).round().astype(np.uint8))


def label_image(labels: NDArray[np.uint8], palette: Palette) -> Image.Image:
    """(H, W) train ids as an image of mode P: the values are the ids, shown in their colours.

    The palette always has 256 entries, so that files have eight bits per pixel.
    """
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette
    image = Image.fromarray(labels)
    image.putpalette(colours.tobytes())
    return image


def overlay(image: Image.Image, labels: Image.Image, opacity: float) -> Image.Image:
    """Blend the colours of a label image over an RGB image of its size.

    Args:
        image: mode RGB.
        labels: image of mode P, from `label_image`.
        opacity: opacity of the colours, in [0, 1].
    """
    return Image.blend(image, labels.convert("RGB"), opacity)


def save_png(image: Image.Image, path: Path, fingerprint: str = "") -> None:
    """Write a PNG file whole or not at all.

    Its last text, `lix`, is the hash of what it was made of and the CRC-32 of all before it.
    """
    with atomic_write(path) as part:
        image.save(part, format="PNG", compress_level=COMPRESSION)
        body = part.read_bytes()[: -len(PNG_END)]
        text = b"tEXt" + FINGERPRINT + f"{fingerprint} {zlib.crc32(body):08x}".encode()
        chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
        with part.open("r+b") as file:
            file.seek(len(body))
            file.write(chunk + PNG_END)


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint of a file that `save_png` has written; None if it was changed since."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    begin = content.rfind(b"tEXt" + FINGERPRINT) - 4
    text = content[begin + 8 + len(FINGERPRINT) : -len(PNG_END) - 4]
    fingerprint, _, checksum = text.rpartition(b" ")
    if begin < 0 or checksum != b"%08x" % zlib.crc32(content[:begin]):
        return None
    return fingerprint.decode(errors="replace") if content.endswith(PNG_END) else None


def is_whole(path: Path) -> bool:
    """Whether a PNG file is there, whole, and unchanged since `save_png` wrote it, if it did."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    sealed = b"tEXt" + FINGERPRINT in content
    return content.endswith(PNG_END) and (not sealed or read_fingerprint(path) is not None)
