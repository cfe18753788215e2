"""What Pillow decodes, as a viewer shows it and as the file stores it."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from lix.data.archives import read_bytes

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".avif", ".gif"),
    *(".bmp", ".dib", ".tif", ".tiff", ".jp2", ".j2k", ".jpx", ".jpf", ".jpc"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".sgi", ".dds", ".qoi"),
)
"""Suffixes, in lower case, of the images in a folder that nothing describes."""

CUT = ("RGB", "RGBA", "LA")
"""Modes in which Pillow gives 8 bits of a 16-bit PNG."""
LOSSY = {"JPEG": "JPEG", "MPO": "JPEG", "JPEG2000": "JPEG 2000", "AVIF": "AVIF"}
"""Formats of Pillow that change values, and what users call them."""
SEQUENCES = ("GIF", "WEBP", "PNG", "AVIF", "TIFF")
"""Formats that may hold several pictures; what else has frames holds one with its layers."""
STRETCHED = {"L;2": 85, "L;4": 17}
"""Raw modes of grey with 2 and 4 bits: the factor by which Pillow multiplies what is stored."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What a viewer does by the EXIF orientation."""
PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PGM = re.compile(rb"P([25])" + 3 * (_GAP + rb"(\d+)") + rb"(?:\s*#[^\n]*\n|\s)")


@dataclass(frozen=True)
class Coded:
    """An image of one code of at most 8 bits a pixel."""

    codes: NDArray[np.uint8]
    """(H, W)."""
    values: NDArray[np.int64]
    """(256,) number that the file stores, by code."""
    colours: NDArray[np.uint8]
    """(256, 3) colour that a viewer shows, by code."""

    @cached_property
    def used(self) -> NDArray[np.intp]:
        """The codes that occur."""
        return np.flatnonzero(np.bincount(self.codes.ravel(), minlength=256))

    def is_grey(self) -> bool:
        """Whether a viewer shows no colour."""
        is_grey = (self.colours == self.colours[:, :1]).all(axis=1)
        return bool(is_grey.all() or is_grey[self.used].all())


def upright(file: Image.Image) -> Image.Image:
    """An opened image turned as viewers turn it, by its EXIF orientation."""
    file.load()
    turn = _TURNS.get(orientation(file))
    return file if turn is None else file.transpose(turn)


def orientation(file: Image.Image) -> int:
    """EXIF orientation, 1 = as stored; damaged EXIF counts as none, as for viewers."""
    try:
        stored = int(file.getexif().get(ExifTags.Base.Orientation, 1))
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error):
        return 1
    return stored if stored in _TURNS else 1


def require_one(file: Image.Image) -> None:
    """Raise a ValueError if an image file holds several pictures."""
    count = getattr(file, "n_frames", 1) if file.format in SEQUENCES else 1
    if count > 1 and file.format == "TIFF":
        count = sum(_is_full_page(file, page) for page in range(count))
        file.seek(0)
    if count > 1:
        raise ValueError(f"it holds {count} pictures, not one; save the right one on its own")


def require_whole_pixels(file: Any) -> None:
    """Raise a ValueError if the pixels of an opened PNG do not fit their CRC-32.

    Pillow checks that of all other parts, and decodes damaged pixels as far as they make sense.
    """
    if file.format != "PNG":
        return
    place = file.fp.tell()
    file.fp.seek(len(PNG_BEGIN))
    while len(header := file.fp.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        data, stored = file.fp.read(length), file.fp.read(4)
        is_pixels = kind == b"IDAT" and len(stored) == 4
        if is_pixels and zlib.crc32(data, zlib.crc32(kind)) != int.from_bytes(stored, "big"):
            raise ValueError("its pixels do not fit their checksum")
    file.fp.seek(place)


def _is_full_page(file: Any, page: int) -> bool:
    """Whether a page of a TIFF is a picture, not a smaller copy or a mask of another page."""
    file.seek(page)
    return not int(file.tag_v2.get(254, 0)) & 5


def lossy_format(file: Image.Image, path: Path) -> str | None:
    """Name of the compression of an opened image that changes values; None: it changes none."""
    if file.format == "WEBP":
        return "lossy WebP" if b"VP8 " in _riff_chunks(path) else None
    if file.format == "TIFF" and "jpeg" in str(file.info.get("compression", "")):
        return "TIFF with JPEG compression"
    return LOSSY.get(file.format or "")


def _riff_chunks(path: Path) -> set[bytes]:
    """Names of the chunks of a WebP file."""
    data, place, names = read_bytes(path), 12, set[bytes]()
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        names.add(name)
        place += 8 + size + size % 2
    return names


def require_whole_values(file: Image.Image) -> None:
    """Raise a ValueError if Pillow cuts the values of an opened image to 8 bits."""
    if file.format == "PNG" and file.mode in CUT and "16" in _raw_mode(file):
        raise ValueError("its channels have 16 bits, which would be cut; store .npy")


def stored_values(file: Image.Image, path: Path) -> NDArray[Any]:
    """Values of an opened image as stored; of a palette its greys, or else its colours.

    Raises:
        ValueError: its channels have more bits than Pillow reads.
    """
    require_whole_values(file)
    if file.format == "PPM" and file.mode in ("L", "I"):
        return read_pgm(path)[0]
    if file.mode == "P":
        coded = read_codes(file, path)
        colours = coded.colours.take(coded.codes, axis=0)
        return np.ascontiguousarray(colours[..., 0]) if coded.is_grey() else colours
    values = np.array(upright(file))
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def read_codes(file: Image.Image, path: Path) -> Coded:
    """Codes of an opened image of mode 1, L or P."""
    values, greys = np.arange(256), np.arange(256, dtype=np.uint8)
    if file.format == "PPM" and file.mode == "L":
        codes, largest = read_pgm(path)
        greys = (np.arange(256).clip(max=largest) * 255 / largest).round().astype(np.uint8)
        return Coded(codes.astype(np.uint8), values, greys[:, None].repeat(3, 1))
    colours = greys[:, None].repeat(3, 1)
    values = values // STRETCHED.get(_raw_mode(file), 1)
    turned = upright(file)
    if file.mode == "1":
        colours[1] = 255
    elif file.mode == "P":
        palette = np.array(turned.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        colours = np.zeros((256, 3), np.uint8)
        colours[: len(palette)] = palette
    return Coded(np.array(turned, np.uint8), values, colours)


def _raw_mode(file: Image.Image) -> str:
    """How the file stores its pixels; only known before they are decoded."""
    tile = getattr(file, "tile", None)
    arguments = tile[0].args if tile else ""
    return arguments if isinstance(arguments, str) else str((arguments or [""])[0])


def read_pgm(path: Path) -> tuple[NDArray[Any], int]:
    """Values of a grey PGM file as stored, and the largest that it allows.

    Pillow stretches those whose largest is not 255 or 65535.

    Raises:
        ValueError: the header is damaged, or values are missing or too large.
    """
    data = read_bytes(path)
    header = _PGM.match(data)
    if header is None:
        raise ValueError("its header is damaged")
    kind, width, height, largest = map(int, header.groups())
    if not 0 < largest < 65536:
        raise ValueError(f"its largest value is said to be {largest}")
    count = width * height
    if kind == 5:
        dtype = ">u2" if largest > 255 else "u1"
        values = np.frombuffer(data, dtype, count, offset=header.end())
    else:
        text = re.sub(rb"#[^\n]*", b"", data[header.end() :])
        values = np.array(text.split()[:count], np.int64)
    if values.size < count or (count and values.max() > largest):
        raise ValueError(f"it holds too few values, or one above its largest of {largest}")
    values = values.astype(np.uint16 if largest > 255 else np.uint8)
    return values.reshape(height, width), largest
