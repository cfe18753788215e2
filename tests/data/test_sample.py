"""The readers that data sets share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import tv_tensors

from lix.data.labels import ColourLabels
from lix.data.readers import read_array, read_rgb, require_files
from lix.data.sample import Sample, camera_matrix, check_sizes

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def saved(path: Path, array: NDArray[Any]) -> Path:
    Image.fromarray(array).save(path)
    return path


def test_rgb_is_channels_first(tmp_path: Path) -> None:
    image = read_rgb(saved(tmp_path / "a.png", RGB))
    assert isinstance(image, tv_tensors.Image)
    assert image.dtype == torch.uint8
    assert image.permute(1, 2, 0).is_contiguous()  # in memory they are last: quick to resize
    assert np.array_equal(image.permute(1, 2, 0).numpy(), RGB)


def test_grey_palette_and_transparent_pictures_become_rgb(tmp_path: Path) -> None:
    for mode in ("L", "P", "RGBA", "1"):
        Image.fromarray(RGB).convert(mode).save(tmp_path / f"{mode}.png")
        expected = np.array(Image.open(tmp_path / f"{mode}.png").convert("RGB"))
        read = read_rgb(tmp_path / f"{mode}.png").permute(1, 2, 0).numpy()
        assert np.array_equal(read, expected)


INTEGERS, FLOATS = [np.uint8, np.uint16], [".tiff", ".npy", ".npz"]


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        *((s, d) for s in (".png", *FLOATS) for d in INTEGERS),
        *((s, np.float32) for s in FLOATS),
    ],
)
def test_values_as_stored(tmp_path: Path, suffix: str, dtype: type) -> None:
    values: NDArray[Any] = (np.arange(12).reshape(3, 4) * 21).astype(dtype)
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, values)
    elif suffix == ".npz":
        np.savez(path, anything=values)
    else:
        saved(path, values)
    read = read_array(path)
    assert read.dtype == dtype
    assert np.array_equal(read, values)


def test_pfm_rows_run_from_top_to_bottom(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    (tmp_path / "a.pfm").write_bytes(b"Pf\n3 2\n-1.0\n" + values[::-1].astype("<f4").tobytes())
    assert np.array_equal(read_array(tmp_path / "a.pfm"), values)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.png is missing"):
        read_array(tmp_path / "nothing.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".npy", ".npz"])
@pytest.mark.parametrize("left", [0.0, 0.1, 0.6])
def test_damaged_file_is_one_sentence(tmp_path: Path, suffix: str, left: float) -> None:
    path = tmp_path / f"a{suffix}"
    pixels = RGB.repeat(20, 0).repeat(20, 1)
    if suffix == ".npy":
        np.save(path, pixels)
    elif suffix == ".npz":
        np.savez(path, pixels)
    else:
        saved(path, pixels)
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content))])
    with pytest.raises(ValueError, match=rf"a{suffix} cannot be read \(.*; replace the file"):
        read_array(path)


@pytest.mark.parametrize("damage", [30, 80, 200])
def test_damaged_bytes_are_one_sentence(tmp_path: Path, damage: int) -> None:
    path = saved(tmp_path / "a.png", RGB.repeat(20, 0))
    content = bytearray(path.read_bytes())
    content[damage : damage + 8] = b"damaged!"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read"):
        read_rgb(path)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_depth_is_no_picture(tmp_path: Path, dtype: type) -> None:
    path = saved(tmp_path / "depth.tiff", np.ones((3, 4), dtype))
    with pytest.raises(ValueError, match="not of 8 bits"):
        read_rgb(path)


def test_colours_become_ids(tmp_path: Path) -> None:
    labels = ColourLabels({(1, 2, 3): 0, (3, 2, 1): 7, (0, 0, 0): 255}, "add it")
    image = np.array([[[1, 2, 3], [3, 2, 1]], [[0, 0, 0], [1, 2, 3]]], np.uint8)
    expected = [[0, 7], [255, 0]]
    assert labels.read(saved(tmp_path / "a.png", image)).tolist() == expected
    Image.fromarray(image).convert("RGBA").save(tmp_path / "alpha.png")
    assert labels.read(tmp_path / "alpha.png").tolist() == expected
    image[1, 1] = 9, 8, 7
    with pytest.raises(ValueError, match=r"b\.png has the colour \(9, 8, 7\), .*; add it\."):
        labels.read(saved(tmp_path / "b.png", image))


def test_missing_files_are_counted_and_the_first_named(tmp_path: Path) -> None:
    paths = [tmp_path / folder / f"{i}.png" for folder in ("a", "b") for i in range(3)]
    (tmp_path / "a").mkdir()
    paths[1].touch()
    with pytest.raises(ValueError, match=r"5 of 6 depth files.*0\.png.*2\.png.*b.0\.png; get"):
        require_files(paths, "depth", "get them")
    require_files(paths[1:2], "depth", "get them")


@pytest.mark.parametrize("part", ["label", "X"])
def test_parts_of_different_size(part: str) -> None:
    image = tv_tensors.Image(torch.zeros(3, 4, 6, dtype=torch.uint8))
    sizes = {"label": (4, 6), "X": (4, 6), part: (2, 3)}
    x = tv_tensors.Mask(torch.zeros(1, *sizes["X"]))
    sample = Sample(image, tv_tensors.Mask(torch.zeros(sizes["label"])), "a", x)
    with pytest.raises(ValueError, match=rf"a\.jpg: the {part} is 2x3 but the image is 4x6"):
        check_sizes(sample, Path("a.jpg"))


def test_camera_matrix() -> None:
    assert camera_matrix(1, 2, 3, 4).tolist() == [[1, 0, 3], [0, 2, 4], [0, 0, 1]]


@pytest.mark.parametrize("mode", ["rgb", "rgba"])
def test_channels_of_16_bits_are_not_cut_to_8(tmp_path: Path, mode: str) -> None:
    import cv2

    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((4, 4, len(mode)), 1000, np.uint16))
    with pytest.raises(ValueError, match="channels have 16 bits, which would be cut"):
        read_array(path)
    with pytest.raises(ValueError, match="channels have 16 bits, which would be cut"):
        read_rgb(path)
    cv2.imwrite(str(path), np.full((4, 4), 1000, np.uint16))
    assert read_array(path).max() == 1000
