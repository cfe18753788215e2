"""Images that are the same: by their pixels, and by what is left of them after resizing."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lix.core.errors import DataError
from lix.core.files import atomic_write
from lix.data.readers import read_rgb

THUMBNAIL = 16
"""Width and height of what a perceptual hash compares: 16 x 16 differences make 256 bits."""
NEAR = 32
"""Largest number of the 256 bits in which two copies of an image may differ. Resized by 0.5 to 2 or
compressed (JPEG, quality 70), 120 street and CamVid images differed from themselves in 28 or fewer,
300 different streets from each other in 47 or more."""
ONES = np.array([number.bit_count() for number in range(256)])
"""Number of ones in a byte."""
AHEAD = 32
"""Images that are read ahead."""


class Fingerprint(NamedTuple):
    """What identifies an image."""

    digest: bytes
    """Hash of size and pixels."""
    bits: NDArray[np.uint8]
    """(32,) difference hash: where brightness grows from left to right in a small grey copy."""


def fingerprint(path: Path) -> Fingerprint:
    """Read an image and fingerprint it.

    Raises:
        DataError: missing or damaged.
    """
    pixels = read_rgb(path).permute(1, 2, 0).numpy()
    return Fingerprint(pixel_digest(pixels), _difference_hash(pixels))


def pixel_digest(pixels: NDArray[np.uint8]) -> bytes:
    """16 bytes that two images share only if size and pixels are the same."""
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def _difference_hash(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = Image.fromarray(pixels).convert("L")
    small = np.asarray(grey.resize((THUMBNAIL + 1, THUMBNAIL), Image.Resampling.BOX), np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1])


def fingerprints(
    paths: Sequence[Path], track: Callable[[Iterable[Fingerprint]], Iterable[Fingerprint]] = iter
) -> list[Fingerprint]:
    """Fingerprints of many images, read by a few threads; `track` may show progress."""
    return list(track(_read(paths)))


def save_fingerprints(prints: Mapping[str, Fingerprint], file: Path) -> None:
    """Write the fingerprints of frames by name, as `.npz`."""
    with atomic_write(file) as unfinished, unfinished.open("wb") as stream:
        np.savez(
            stream,
            names=np.array(list(prints), dtype=str),
            digests=np.array([list(image.digest) for image in prints.values()], np.uint8),
            bits=np.array([image.bits for image in prints.values()], np.uint8),
        )


def load_fingerprints(file: Path) -> dict[str, Fingerprint]:
    """Read what `save_fingerprints` wrote; nothing where no file is.

    Raises:
        DataError: the file is damaged.
    """
    if not file.is_file():
        return {}
    try:
        with np.load(file, allow_pickle=False) as stored:
            columns = [stored[name] for name in ("names", "digests", "bits")]
            return {
                str(name): Fingerprint(digest.tobytes(), bits)
                for name, digest, bits in zip(*columns, strict=True)
            }
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} is damaged ({error}); remove it.", file) from None


def _read(paths: Sequence[Path]) -> Iterator[Fingerprint]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(paths), AHEAD):
            yield from pool.map(fingerprint, paths[start : start + AHEAD])


class Copies(NamedTuple):
    """Pairs of indices into two lists of images."""

    same: list[tuple[int, int]]
    """Equal pixels."""
    similar: list[tuple[int, int]]
    """Other pixels, but the same picture at another size or compression."""


def find_copies(images: Sequence[Fingerprint], others: Sequence[Fingerprint]) -> Copies:
    """Images that are also among `others`, each with its first partner."""
    by_digest: dict[bytes, int] = {}
    for j, other in enumerate(others):
        by_digest.setdefault(other.digest, j)
    copies = Copies([], [])
    if not others:
        return copies
    table = np.stack([other.bits for other in others])
    for i, image in enumerate(images):
        if image.digest in by_digest:
            copies.same.append((i, by_digest[image.digest]))
            continue
        distance = ONES[table ^ image.bits].sum(axis=1)
        if distance.min() <= NEAR:
            copies.similar.append((i, int(distance.argmin())))
    return copies
