"""Images that are the same, and the same picture at another size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from lix.data.dataset import SegDataset
from lix.data.duplicates import find_copies, fingerprint, fingerprints
from lix.data.sets.vkitti2 import VKITTI2


def images_of(dataset: SegDataset) -> list[Path]:
    return [dataset.image_path(frame) for frame in dataset.ids]


def test_copies_are_found_by_their_pixels_whatever_the_file(streets: Path, tmp_path: Path) -> None:
    images = images_of(VKITTI2(streets))
    copy = tmp_path / "copy.png"
    Image.open(images[3]).save(copy)
    copies = find_copies(fingerprints([copy, images[5]]), fingerprints(images))
    assert copies.same == [(0, 3), (1, 5)]
    assert copies.similar == []


def test_resized_and_compressed_copies_are_similar(streets: Path, tmp_path: Path) -> None:
    images = images_of(VKITTI2(streets))
    half, lossy = tmp_path / "half.png", tmp_path / "lossy.jpg"
    with Image.open(images[2]) as image:
        image.resize((image.width * 3 // 4, image.height * 3 // 4)).save(half)
        image.save(lossy, quality=70)
    copies = find_copies(fingerprints([half, lossy]), fingerprints(images))
    assert copies.same == []
    assert copies.similar == [(0, 2), (1, 2)]


def test_other_streets_are_neither(streets: Path) -> None:
    train, val = (images_of(VKITTI2(streets, split=split)) for split in ("train", "val"))
    assert find_copies(fingerprints(train), fingerprints(val)) == ([], [])
    assert find_copies(fingerprints(train), []) == ([], [])


def test_a_fingerprint_knows_the_size(tmp_path: Path) -> None:
    """Black images of other sizes hold the same bytes, but are not the same."""
    for name, shape in (("a", (8, 16, 3)), ("b", (16, 8, 3))):
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / f"{name}.png")
    a, b = (fingerprint(tmp_path / f"{name}.png") for name in "ab")
    assert a.digest != b.digest
