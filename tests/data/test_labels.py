"""Label files: what they mean whatever lossless form a tool gave them, and what is refused."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lix.core.errors import DataError
from lix.data.labels import ColourLabels, IdLabels
from lix.data.stored_labels import StoredLabels

SIZE = (6, 8)
IDS = (np.arange(48).reshape(SIZE) // 7 % 3).astype(np.uint8)
BINARY = (IDS > 0).astype(np.uint8)
PALETTE = ((128, 64, 128), (0, 0, 142), (70, 130, 180))
Read = Callable[..., NDArray[np.uint8]]


def coloured(ids: NDArray[np.uint8], palette: tuple[tuple[int, int, int], ...]) -> Image.Image:
    return Image.fromarray(np.array(palette, np.uint8)[ids])


def optimised(image: Image.Image) -> Image.Image:
    """The same picture with a palette of its colours, the last one first."""
    pixels = np.array(image.convert("RGB"))
    colours, codes = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    result = Image.fromarray((len(colours) - 1 - codes).reshape(pixels.shape[:2]).astype(np.uint8))
    result.putpalette(colours[::-1].astype(np.uint8).tobytes())
    return result


def reader(
    folder: Path, palette: tuple[tuple[int, int, int], ...] = (), classes: int = 3
) -> StoredLabels:
    values = IdLabels({255: 255} | {i: i for i in range(classes)}, "name the class")
    colours = ColourLabels({c: i for i, c in enumerate(palette)}, "add it") if palette else None
    return StoredLabels(values, colours, lambda: sorted(folder.glob("*.png")))


def read(image: Image.Image, folder: Path, *palette: tuple[int, int, int]) -> NDArray[np.uint8]:
    image.save(folder / "label.png")
    return reader(folder, palette).read(folder / "label.png")


@pytest.mark.parametrize("form", ["RGB", "RGBA", "palette", "quantized"])
def test_colours_in_any_form(tmp_path: Path, form: str) -> None:
    image = coloured(IDS, PALETTE)
    forms = {"palette": optimised(image), "quantized": image.quantize(3)}
    stored = forms.get(form) or image.convert(form)
    assert (np.array(stored.convert("RGB")) == np.array(image)).all()
    assert np.array_equal(read(stored, tmp_path, *PALETTE), IDS)


@pytest.mark.parametrize("palette", [((0, 0, 0), (255, 255, 255)), ((255, 255, 255), (0, 0, 0))])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "LA", "RGBA", "optimised"])
def test_black_and_white_masks_in_any_form(
    tmp_path: Path, mode: str, palette: tuple[tuple[int, int, int], ...]
) -> None:
    image = coloured(BINARY, palette)
    stored = optimised(image) if mode == "optimised" else image.convert(mode)
    assert np.array_equal(read(stored, tmp_path, *palette), BINARY)


def test_a_palette_in_another_order_than_the_files(tmp_path: Path) -> None:
    stored = Image.fromarray(np.array([2, 0, 1], np.uint8)[IDS])
    stored.putpalette(np.array([PALETTE[1], PALETTE[2], PALETTE[0]], np.uint8).tobytes())
    assert np.array_equal(read(stored, tmp_path, *PALETTE), IDS)


def test_indices_under_another_palette(tmp_path: Path) -> None:
    stored = Image.fromarray(IDS)
    stored.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    assert np.array_equal(read(stored, tmp_path, *PALETTE), IDS)
    assert reader(tmp_path, PALETTE).form(tmp_path / "label.png") == "value"
    stored = Image.fromarray(IDS + 7)
    stored.putpalette([9, 9, 9] * 7 + [200, 0, 0, 0, 200, 0, 0, 0, 200])
    with pytest.raises(DataError, match=r"has the colour \(200, 0, 0\), which is not a class"):
        read(stored, tmp_path, *PALETTE)


@pytest.mark.parametrize("others", ["indices", "colours"])
def test_other_files_decide_about_one_that_is_all_black(tmp_path: Path, others: str) -> None:
    """Black is the last class, and 0 the first."""
    palette = (*PALETTE[:2], (0, 0, 0))
    other = Image.fromarray(IDS) if others == "indices" else optimised(coloured(IDS, palette))
    other.save(tmp_path / "other.png")
    black = read(Image.new("L", (8, 6)), tmp_path, *palette)
    assert (black == (0 if others == "indices" else 2)).all()
    assert np.array_equal(reader(tmp_path, palette).read(tmp_path / "other.png"), IDS)


@pytest.mark.parametrize("values", [IDS, IDS + 1, np.where(IDS == 1, 255, IDS).astype(np.uint8)])
def test_greys_that_became_a_palette(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    optimised(Image.fromarray(values)).save(tmp_path / "label.png")
    labels = IdLabels({255: 255} | {i: i for i in range(4)}, "name the class")
    assert np.array_equal(labels.read(tmp_path / "label.png"), values)


def test_void_and_one_class_that_became_one_bit(tmp_path: Path) -> None:
    """As an optimiser makes of a frame of class 0 and 255; without void a mask is 0 and 1."""
    Image.fromarray(BINARY > 0).save(tmp_path / "a.png")
    Image.fromarray(IDS).save(tmp_path / "b.png")
    assert np.array_equal(reader(tmp_path).read(tmp_path / "a.png"), BINARY)
    Image.fromarray(np.where(IDS == 1, 255, IDS).astype(np.uint8)).save(tmp_path / "b.png")
    assert np.array_equal(reader(tmp_path).read(tmp_path / "a.png"), BINARY * 255)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("is_raw", [True, False])
def test_grey_of_few_bits(tmp_path: Path, bits: int, is_raw: bool) -> None:
    """Raw values as encoders write them, and what optimisers make of 8 bits."""
    ids = BINARY if bits == 1 else IDS
    pixels = Image.fromarray(ids)
    pixels.putpalette([0] * 768)
    pixels.save(tmp_path / "label.png", bits=bits)
    content = bytearray((tmp_path / "label.png").read_bytes())
    content[25] = 0  # a palette becomes grey
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "label.png").write_bytes(content)
    factor = 1 if is_raw else 255 // (2**bits - 1)
    labels = IdLabels({int(i) * factor: int(i) for i in range(3)}, "name the class")
    assert np.array_equal(labels.read(tmp_path / "label.png"), ids)


@pytest.mark.parametrize("largest", [1, 2, 11, 100, 254, 255])
@pytest.mark.parametrize("binary", [True, False])
def test_pgm_of_any_largest_value(tmp_path: Path, largest: int, binary: bool) -> None:
    ids = np.minimum(IDS, largest)
    head = b"%s # made by hand\n%d\n# two\n%d\n%d\n" % (b"P5" if binary else b"P2", 8, 6, largest)
    text = " ".join(map(str, ids.ravel().tolist())).encode()
    (tmp_path / "label.pgm").write_bytes(head + (ids.tobytes() if binary else text))
    assert np.array_equal(reader(tmp_path).read(tmp_path / "label.pgm"), ids)


@pytest.mark.parametrize(
    ("suffix", "options", "name"),
    [
        (".jpg", {"quality": 100}, "JPEG"),
        (".webp", {"quality": 90}, "lossy WebP"),
        (".jp2", {}, "JPEG 2000"),
        (".tif", {"compression": "jpeg"}, "TIFF with JPEG"),
        (".png", {"format": "JPEG"}, "JPEG"),  # a wrong suffix
    ],
)
@pytest.mark.parametrize("palette", [(), PALETTE])
def test_lossy_labels_are_refused(
    tmp_path: Path,
    suffix: str,
    options: dict[str, object],
    name: str,
    palette: tuple[tuple[int, int, int], ...],
) -> None:
    image = coloured(IDS, PALETTE) if palette or suffix == ".webp" else Image.fromarray(IDS)
    path = tmp_path / f"label{suffix}"
    image.save(path, **options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=rf"is {name}.*; export as PNG\.$") as caught:
        reader(tmp_path, palette).read(path)
    assert "Cityscapes" not in str(caught.value)


def test_lossless_webp(tmp_path: Path) -> None:
    coloured(IDS, PALETTE).save(tmp_path / "label.webp", lossless=True)
    assert np.array_equal(reader(tmp_path, PALETTE).read(tmp_path / "label.webp"), IDS)


def test_several_pictures_in_a_label(tmp_path: Path) -> None:
    pages = [Image.fromarray(IDS + i) for i in range(2)]
    pages[0].save(tmp_path / "label.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match="it holds 2 pictures, not one; save the right one"):
        reader(tmp_path).read(tmp_path / "label.tif")
