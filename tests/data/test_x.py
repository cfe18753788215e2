"""X: kinds, what is invalid, encodings, and what torchvision's geometry does to them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from lix.data.encode import encode, encoded_channels
from lix.data.modalities import (
    KINDS,
    Channels,
    Depth,
    Disparity,
    InverseDepth,
    Normal,
    XSpec,
    as_kind,
)

NAN = math.nan


def plain(x: Tensor) -> Tensor:
    return x.as_subclass(Tensor)


def image_of(kind: str, height: int = 8, width: int = 12) -> Tensor:
    return torch.rand(KINDS[kind].channels or 2, height, width) + 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_kind_keeps_its_type_and_its_values_through_geometry(kind: str) -> None:
    x = as_kind(kind, image_of(kind))
    for moved in (
        F.horizontal_flip(x),
        F.crop(x, 1, 2, 4, 5),
        F.resize(x, [16, 30]),
        F.resized_crop(x, 1, 2, 4, 6, [8, 8]),
        F.pad(x, [1, 2, 3, 4], fill=NAN),
    ):
        assert type(moved) is KINDS[kind]
    shrunk = F.resize(x, [5, 7], antialias=True)
    scale = 7 / 12 if kind == "disparity" else 1.0
    assert torch.isin(plain(shrunk), plain(x) * scale).all()


@pytest.mark.parametrize("kind", KINDS)
def test_infinite_values_are_invalid(kind: str) -> None:
    values = image_of(kind)
    values[0, 0, 0], values[0, 1, 1], values[0, 2, 2] = math.inf, -math.inf, NAN
    x = as_kind(kind, values)
    assert plain(x).isnan().sum() == 3
    assert encode(x).isfinite().all()
    assert encode(x)[0, 0, 0] == 0


def test_impossible_values_are_invalid() -> None:
    values = torch.tensor([[[-1.0, 0.0, 2.0]]])
    assert plain(as_kind("depth", values)).isnan().tolist() == [[[True, True, False]]]
    assert plain(as_kind("disparity", values)).isnan().tolist() == [[[True, False, False]]]


def test_values_become_float32() -> None:
    for dtype in (torch.float64, torch.int32, torch.uint8, torch.float16):
        x = as_kind("depth", torch.ones(1, 2, 2, dtype=dtype))
        assert x.dtype == torch.float32
        assert encode(x).dtype == torch.float32
    assert encode(Depth(torch.ones(1, 2, 2, dtype=torch.float64))).dtype == torch.float32


@pytest.mark.parametrize(
    "values",
    [torch.full((1, 4, 4), 3.0), torch.full((1, 4, 4), NAN), torch.full((1, 4, 4), math.inf)],
    ids=["constant", "all invalid", "all infinite"],
)
def test_relative_inverse_depth_without_contrast_is_zero(values: Tensor) -> None:
    encoded = encode(as_kind("inverse_depth", values))
    assert torch.equal(encoded, torch.zeros(1, 4, 4))


def test_relative_inverse_depth_is_scaled_by_its_percentiles_whatever_its_unit() -> None:
    values = torch.rand(1, 40, 50)
    values[0, 0, 0] = NAN
    x = plain(as_kind("inverse_depth", values))
    low, high = values[values.isfinite()].quantile(torch.tensor([0.02, 0.98]))
    expected = ((values - low) / (high - low)).clamp(0, 1)
    torch.testing.assert_close(x, expected, atol=1e-6, rtol=0, equal_nan=True)
    other_unit = plain(as_kind("inverse_depth", 1000 * values + 7))
    torch.testing.assert_close(other_unit, x, atol=1e-4, rtol=0, equal_nan=True)


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'disparity'"):
        as_kind("disparty", torch.ones(1, 2, 2))


@pytest.mark.parametrize(("kind", "shape"), [("depth", (3, 2, 2)), ("normal", (1, 2, 2)),
                                             ("depth", (2, 2))])  # fmt: skip
def test_wrong_number_of_channels(kind: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"{kind} is "):
        as_kind(kind, torch.ones(shape))


@pytest.mark.parametrize("encoding", ["log", "inverse"])
def test_encoded_depth_falls_with_distance_within_0_and_1(encoding: str) -> None:
    metres = torch.tensor([0.01, 0.5, 1.0, 2.0, 20.0, 199.0, 200.0, 655.0]).view(1, 1, -1)
    encoded = encode(Depth(metres), encoding).flatten()  # type: ignore[arg-type]
    assert encoded[0] == encoded[2] == 1
    assert (encoded.diff() <= 0).all()
    assert (encoded[2:7].diff() < 0).all()
    assert encoded[-1] == encoded[-2] == pytest.approx(0 if encoding == "log" else 0.005, abs=1e-6)


@pytest.mark.parametrize("encoding", ["log", "inverse"])
def test_a_range_of_its_own_tells_near_depth_apart(encoding: str) -> None:
    """A robot's 0.4 to 0.9 m are one constant by default."""
    metres = torch.linspace(0.4, 0.9, 11).view(1, 1, -1)
    assert (encode(Depth(metres), encoding) == 1).all()
    encoded = encode(Depth(metres), encoding, span=(0.4, 0.9)).flatten()
    assert (encoded.diff() < 0).all()
    assert encoded[0] == pytest.approx(1, abs=1e-6)
    assert encoded[-1] == pytest.approx(0 if encoding == "log" else 0.4 / 0.9, abs=1e-6)
    wide = torch.linspace(0.3, 0.6, 11).view(1, 1, -1) * 11  # shares of the width
    assert (encode(Disparity(wide), encoding) == 1).all()
    assert (encode(Disparity(wide), encoding, span=(0.3, 0.6)).flatten().diff() > 0).all()
    for span in ((1.0, 200.0), None):
        far = Depth([[[0.5, 10.0, 300.0, float("nan")]]])
        assert torch.equal(encode(far, encoding, span=span), encode(far, encoding))


def test_encodings_by_their_formulas() -> None:
    assert encode(Depth([[[10.0]]]), "inverse").item() == pytest.approx(0.1)
    assert encode(Depth([[[10.0]]])).item() == pytest.approx(1 - math.log(10) / math.log(200))
    row = torch.full((1, 1, 100), 2.0)  # 2 of 100 pixels
    assert encode(Disparity(row), "inverse")[0, 0, 0] == pytest.approx(0.1)
    assert encode(Disparity(row))[0, 0, 0] == pytest.approx(1 - math.log(0.1) / math.log(0.005))
    for other in (InverseDepth(row / 4), Channels(row / 4), Normal(-row.repeat(3, 1, 1) / 4)):
        assert torch.equal(encode(other), plain(other))


@pytest.mark.parametrize("encoding", ["log", "inverse"])
@pytest.mark.parametrize("kind", KINDS)
def test_invalid_is_0_and_the_input_is_left_alone(kind: str, encoding: str) -> None:
    values = torch.full((KINDS[kind].channels or 2, 2, 2), 0.7)
    values[:, 0, 0] = NAN
    x = KINDS[kind](values.clone())
    encoded = encode(x, encoding)  # type: ignore[arg-type]
    assert (encoded[:, 0, 0] == 0).all()
    assert (encoded[:, 1, 1] != 0).all()
    assert torch.equal(plain(x)[:, 1], values[:, 1])


def test_encoded_disparity_does_not_depend_on_the_resolution() -> None:
    disparity = Disparity(torch.rand(1, 10, 20).repeat_interleave(4, 1).repeat_interleave(4, 2) * 9)
    small = F.resize(disparity, [10, 20])
    torch.testing.assert_close(encode(small), encode(disparity)[:, ::4, ::4])


def test_normals_need_something_to_be_made_of() -> None:
    with pytest.raises(ValueError, match="made of depth or disparity, but X is inverse_depth"):
        encoded_channels([XSpec("inverse_depth", 1)], "normal")
    assert encoded_channels([XSpec("disparity", 1), XSpec("channels", 2)], "normal+log") == 6


def test_unknown_encoding() -> None:
    with pytest.raises(ValueError, match="Unknown encoding of X 'linear'"):
        encode(Depth([[[1.0]]]), "linear")  # type: ignore[arg-type]


def test_resize_takes_the_pixel_whose_centre_is_nearest() -> None:
    ramp = torch.arange(9.0).repeat(1, 9, 1)
    assert plain(F.resize(Depth(ramp), [3, 3]))[0, 0].tolist() == [1, 4, 7]
    assert F.resize(Depth(ramp), [3]).shape == (1, 3, 3)


def test_disparity_grows_with_the_width_alone() -> None:
    disparity = Disparity(torch.full((1, 4, 6), 3.0))
    assert (plain(F.resize(disparity, [4, 12])) == 6).all()
    assert (plain(F.resize(disparity, [8, 6])) == 3).all()
    assert (plain(F.resized_crop(disparity, 0, 0, 2, 3, [4, 6])) == 6).all()


def test_flip_mirrors_normals() -> None:
    normals = torch.nn.functional.normalize(torch.randn(3, 4, 5), dim=0)
    flipped = plain(F.horizontal_flip(Normal(normals)))
    assert torch.equal(flipped, normals.flip(-1) * torch.tensor([-1.0, 1, 1]).view(3, 1, 1))
    assert torch.equal(plain(F.horizontal_flip(Depth(normals[:1]))), normals[:1].flip(-1))
