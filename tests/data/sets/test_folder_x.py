"""X of the user's own images: kinds, files of other tools, ranges, and what cannot be read."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from torch import Tensor

from lix.core.errors import DataError
from lix.data.cache import Cache
from lix.data.encode import encode
from lix.data.modalities import KINDS
from lix.data.sets.folder import Folder
from lix.data.transforms import to_batch
from lix.data.x_files import XFiles
from lix.runs.settings import Data
from lix.training.flat_x import warn_if_flat
from tests.data.frames import plain, read
from tests.data.sets.contract import save
from tests.data.sets.own_folder import (
    SIZE,
    describe,
    described,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path)


def x_of(root: Path, stored: NDArray[Any], suffix: str = ".npy", **x: Any) -> Tensor:
    for index in range(3):
        save(root / f"train/own/{index:02d}{suffix}", stored)
    files = described("train") | {"x": f"train/own/*{suffix}"}
    return plain(read(Folder(describe(root, x=x, train=files)), 0, with_x=True).x[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_x(root: Path, kind: str) -> None:
    channels = KINDS[kind].channels or 2
    stored = np.random.default_rng(0).random((*SIZE, channels)).astype(np.float64) + 0.5
    stored[0, 0], stored[0, 1] = math.nan, math.inf
    x = x_of(root, stored, kind=kind, channels=2 if kind == "channels" else 1)
    assert x.shape == (channels, *SIZE)
    assert x.dtype == torch.float32
    assert x[:, 0, :2].isnan().all()
    assert x[:, 1:].isfinite().all()
    if kind != "inverse_depth":
        np.testing.assert_allclose(x[:, 1:].numpy(), stored[1:].transpose(2, 0, 1), rtol=1e-6)
    first = (
        x_of(root, stored.transpose(2, 0, 1), kind=kind, channels=2) if kind == "channels" else x
    )
    assert torch.equal(first.nan_to_num(-1), x.nan_to_num(-1))


@pytest.mark.parametrize(
    ("kind", "zero_is_invalid"),
    [("depth", True), ("disparity", True), ("inverse_depth", False), ("channels", False)],
)
def test_what_zero_on_disk_means(root: Path, kind: str, zero_is_invalid: bool) -> None:
    stored = np.arange(24, dtype=np.uint16).reshape(SIZE)
    x = x_of(root, stored, ".png", kind=kind, scale=1 / 256)
    assert bool(x[0, 0, 0].isnan()) == zero_is_invalid
    other = x_of(root, stored, ".png", kind=kind, scale=1 / 256, invalid=[5, 6])
    invalid = other[0].isnan().flatten().nonzero().flatten().tolist()
    assert set(invalid) - {0} == {5, 6}


def test_normals_in_eight_bits(root: Path) -> None:
    stored = np.full((*SIZE, 3), 255, np.uint8)
    stored[..., 0] = 0
    x = x_of(root, stored, ".png", kind="normal", scale=2 / 255, offset=-1)
    torch.testing.assert_close(x[:, 0, 0], torch.tensor([-1.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    ("stored", "x"),
    [
        (np.ones((*SIZE, 3), np.float32), {"kind": "depth"}),
        (np.ones(SIZE, np.float32), {"kind": "normal"}),
        (np.ones((*SIZE, 2), np.float32), {"kind": "channels", "channels": 5}),
        (np.ones((1, 1, *SIZE), np.float32), {"kind": "depth"}),
        (np.full(SIZE, "a"), {"kind": "depth"}),
    ],
)
def test_x_of_another_shape(root: Path, stored: NDArray[Any], x: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"00\.npy holds .* of shape .* channel\(s\) of numbers"):
        x_of(root, stored, **x)


METRES = np.linspace(0.5, 4.0, 24).reshape(SIZE)


def write_depth(path: Path, form: str) -> Path:
    """Depth of `METRES` in millimetres, as other tools write it."""
    mm = METRES.round(3) * 1000
    path = path.with_suffix(f".{form.split(maxsplit=1)[0]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "npz of several":
        np.savez(path, mask=np.ones(SIZE, np.uint8), depth=mm.astype(np.uint16))
    elif form.startswith("npz"):
        np.savez(path, confidence=np.ones(SIZE), z=mm, w=mm * 0)
    elif form == "tiff big-endian":
        Image.frombytes("I;16B", SIZE[::-1], mm.astype(">u2").tobytes()).save(path)
    elif form.startswith("npy"):
        np.save(path, mm.astype({"npy big-endian": ">u2", "npy": "f4"}[form]))
    else:
        largest = int(form.split()[1])
        body = mm.astype(">u2").tobytes()
        path.write_bytes(b"P5\n%d %d\n%d\n" % (*SIZE[::-1], largest) + body)
    return path


@pytest.mark.parametrize(
    ("form", "x"),
    [
        ("npz of several", {}),
        ("npz by name", {"array": "z"}),
        ("tiff big-endian", {"dtype": "uint16"}),
        ("npy big-endian", {"dtype": "uint16"}),
        ("npy", {}),
        ("pgm 65535", {"dtype": "uint16"}),
        ("pgm 10000", {"dtype": "uint16"}),
        ("pgm 4095", {}),
    ],
)
@pytest.mark.parametrize("is_upper", [False, True])
def test_depth_of_other_tools(root: Path, form: str, x: dict[str, Any], is_upper: bool) -> None:
    for name in ("00", "01", "02"):
        path = write_depth(root / "made/train" / name, form)
        path.rename(path.with_suffix(path.suffix.upper() if is_upper else path.suffix.lower()))
    (root / "made/x.yaml").write_text(yaml.safe_dump({"kind": "depth", "unit": "mm"} | x))
    depth = plain(read(Folder(root, x=[root / "made"]), 0, with_x=True).x[0])
    np.testing.assert_allclose(depth[0].numpy(), METRES, atol=1e-3)


def near(root: Path, **x: Any) -> Folder:
    """Depth from 0.4 to 0.86 m."""
    for path in (root / "train/depth").iterdir():
        save(path, np.arange(400, 880, 20, dtype=np.uint16).reshape(SIZE))
    return Folder(describe(root, x={"kind": "depth", "unit": "mm"} | x))


def test_the_range_of_x_reaches_the_network(root: Path, tmp_path: Path) -> None:
    data = near(root, range=[0.4, 0.9])
    assert (data.x, data.x_spans) == ((("depth", 1),), ((0.4, 0.9),))
    sample = data.read(data.ids[0], with_x=True)
    encoded = to_batch(sample)["x"]
    assert torch.equal(encoded, encode(sample.x[0], span=(0.4, 0.9)))
    cached = Cache(data, tmp_path / "cache", SIZE)
    assert torch.equal(to_batch(cached.read(data.ids[0], with_x=True))["x"], encoded)
    assert (near(root).x_spans, read(near(root), 0, with_x=True).spans) == ((), ())


@pytest.mark.parametrize(
    ("x", "is_flat"),
    [({}, True), ({"range": [0.4, 0.9]}, False), ({"invalid": [*range(400, 880)]}, True)],
)
def test_x_that_is_one_constant_is_a_warning(root: Path, x: dict[str, Any], is_flat: bool) -> None:
    text = io.StringIO()
    warn_if_flat(near(root, **x), Data(), Console(file=text, width=400))
    assert ("the depth is invalid or one constant after encoding" in text.getvalue()) == is_flat


def foreign(path: Path, beginning: bytes) -> Path:
    path.write_bytes(beginning + bytes(200))
    return path


def test_x_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    files, codes = XFiles(kind="depth", unit="mm"), (np.arange(24) * 5).astype(np.uint8)
    palette = Image.fromarray(codes.reshape(SIZE))
    palette.putpalette(np.random.default_rng(0).integers(0, 255, 768, np.uint8).tobytes())
    palette.save(tmp_path / "palette.png")
    grey = Image.fromarray(codes.reshape(SIZE) // 5)
    grey.putpalette((np.arange(24) * 5).repeat(3).astype(np.uint8).tobytes())
    grey.save(tmp_path / "grey.png")
    pages = [Image.fromarray(np.ones(SIZE, np.uint16)) for _ in range(2)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    np.savez(tmp_path / "several.npz", a=METRES, b=METRES)
    np.save(tmp_path / "mask.npy", METRES > 1)
    for path, message in [
        (tmp_path / "mask.npy", "holds bool of shape"),
        (tmp_path / "palette.png", "if it is a coloured picture of the numbers"),
        (tmp_path / "pages.tif", "holds 2 pictures, not one"),
        (tmp_path / "several.npz", "holds the arrays a, b; say which one to read with `array:"),
        (foreign(tmp_path / "a.mat", b"MATLAB 5.0 MAT-file"), "is a MATLAB file, .*to .npy"),
        (foreign(tmp_path / "a.exr", b"\x76\x2f\x31\x01"), "is an OpenEXR file"),
        (foreign(tmp_path / "a.h5", b"\x89HDF\r\n\x1a\n"), "is an HDF5 file"),
    ]:
        with pytest.raises(DataError, match=message):
            files.read(path)
    with pytest.raises(DataError, match="holds the arrays a, b; say which one"):
        XFiles(kind="depth", array="c").read(tmp_path / "several.npz")
    expected = codes.reshape(SIZE) / np.float32(1000)
    np.testing.assert_allclose(plain(files.read(tmp_path / "grey.png"))[0][0, 1:], expected[0, 1:])


def test_x_of_another_size(root: Path) -> None:
    with pytest.raises(ValueError, match="the X is 2x3 but the image is 4x6"):
        x_of(root, np.ones((2, 3), np.float32), kind="depth")


def test_split_without_x(root: Path) -> None:
    val = described("val")
    del val["x"]
    data = Folder(describe(root, val=val), split="val")
    assert (data.x, data.x_kind) == ((), None)
    with pytest.raises(ValueError, match="has no X, and a teacher needs it"):
        data.read(data.ids[0], with_x=True)
