"""Geometry that all parts share, colours of the image alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from lix.core.types import IGNORE_INDEX
from lix.data.encode import encode
from lix.data.modalities import Depth, Normal
from lix.data.sample import Sample, camera_matrix
from lix.data.transforms import Augment, crop, flip, resize, to_batch
from tests.data.samples import HEIGHT, WIDTH, plain, small_sample


@pytest.fixture
def sample() -> Sample:
    return small_sample()


GEOMETRY: dict[str, Callable[[Sample], Sample]] = {
    "flip": flip,
    "crop": lambda s: crop(s, 3, 5, 10, 20),
    "pad": lambda s: crop(s, -3, -5, 40, 60),
    "crop and pad": lambda s: crop(s, -3, 5, 40, 20),
    "shrink": lambda s: resize(s, (12, 20)),
    "grow": lambda s: resize(s, (48, 120)),
    "augment": Augment((20, 36)),
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_parts_keep_type_and_size(sample: Sample, name: str) -> None:
    before = torch.get_rng_state(), sample.image.clone(), sample.target.clone(), plain(sample.x[0])
    result = GEOMETRY[name](sample)
    assert isinstance(result.image, tv_tensors.Image)
    assert isinstance(result.target, tv_tensors.Mask)
    assert isinstance(result.x[0], Depth)
    colours = torch.float32 if name == "augment" else torch.uint8
    assert (result.image.dtype, result.target.dtype) == (colours, torch.int64)
    assert result.x[0].dtype == torch.float32
    assert result.image.shape[1:] == result.target.shape == result.x[0].shape[1:]
    assert torch.equal(sample.image, before[1])
    assert torch.equal(sample.target, before[2])


@pytest.mark.parametrize("name", GEOMETRY)
def test_labels_and_x_are_never_mixed(sample: Sample, name: str) -> None:
    result = GEOMETRY[name](sample)
    x, target = plain(result.x[0]), result.target.as_subclass(Tensor)
    inside = x.isfinite()
    assert torch.isin(x[inside], plain(sample.x[0])).all()
    assert torch.isin(
        target, torch.cat([sample.target.flatten(), torch.tensor([IGNORE_INDEX])])
    ).all()
    assert torch.equal(target[inside[0]], (x[inside].long() - 1) % 255)  # the same pixels
    assert (target[~inside[0]] == IGNORE_INDEX).all()


@pytest.mark.parametrize("name", ["flip", "crop", "pad", "crop and pad"])
def test_image_moves_with_the_labels(sample: Sample, name: str) -> None:
    result = GEOMETRY[name](sample)
    inside = plain(result.x[0])[0].isfinite()
    assert torch.equal(result.image[0][inside].long(), result.target[inside])
    assert (result.image[:, ~inside] == 0).all()


@pytest.mark.parametrize("name", GEOMETRY)
def test_a_student_sees_the_same_without_x(sample: Sample, name: str) -> None:
    torch.manual_seed(3)
    teacher = GEOMETRY[name](sample)
    torch.manual_seed(3)
    student = GEOMETRY[name](replace(sample, x=(), intrinsics=None))
    assert student.x == ()
    assert student.intrinsics is None
    assert torch.equal(student.image, teacher.image)
    assert torch.equal(student.target, teacher.target)


@pytest.mark.parametrize("size", [(9, 13), (12, 20), (31, 55), (48, 80)])
def test_image_and_labels_stay_aligned(size: tuple[int, int]) -> None:
    """An edge lies where the antialiased image crosses half its height, to half a pixel."""
    for axis, length in ((1, size[1]), (0, size[0])):
        full = (HEIGHT, WIDTH)[axis]
        step = torch.arange(full) >= full // 3
        grid = step.expand(HEIGHT, WIDTH) if axis else step[:, None].expand(HEIGHT, WIDTH)
        image = tv_tensors.Image((grid * 200).to(torch.uint8).expand(3, -1, -1).contiguous())
        result = resize(Sample(image, tv_tensors.Mask(grid.long()), "a"), size)
        line = result.image[0].select(1 - axis, 1).float() / 200
        where = length - line.sum()  # pixels before the edge, with fractions
        assert abs(where - (result.target.select(1 - axis, 1) == 0).sum()) <= 0.5 + 1e-3
        assert where == pytest.approx(full // 3 * length / full, abs=0.1)


@pytest.mark.parametrize("name", ["crop", "pad", "crop and pad", "shrink", "grow", "flip"])
def test_intrinsics_follow_the_pixels(sample: Sample, name: str) -> None:
    """A point in space projects to the same surface before and after."""
    columns = torch.arange(float(WIDTH)).expand(1, HEIGHT, -1)
    rows = torch.arange(float(HEIGHT))[:, None].expand(1, -1, WIDTH)
    before, after = sample.intrinsics, GEOMETRY[name](sample).intrinsics
    assert before is not None
    assert after is not None
    for coordinate, axis in ((columns, 0), (rows, 1)):
        moved = plain(GEOMETRY[name](replace(sample, x=(Depth(coordinate.clone()),))).x[0])[0]
        ahead = (moved - before[axis, 2]) / before[axis, axis]  # X / Z of what a pixel shows
        if name == "flip" and axis == 0:
            ahead = -ahead
        now = torch.arange(float(moved.shape[1 - axis]))
        expected = (now - after[axis, 2]) / after[axis, axis]
        expected = (expected if axis == 0 else expected[:, None]).expand_as(ahead)
        error = (ahead - expected)[moved.isfinite()].abs().max()
        assert error <= 0.51 / before[axis, axis]  # half a pixel of nearest resampling
    assert (after.diagonal() > 0).all()


def test_resize_scales_intrinsics_by_pixel_centres(sample: Sample) -> None:
    after = resize(sample, (48, 120)).intrinsics
    expected = camera_matrix(150.0, 120.0, 20 * 3 - 0.5, 12 * 2 - 0.5)
    torch.testing.assert_close(after, expected)


def test_twice_flipped_is_the_same(sample: Sample) -> None:
    twice = flip(flip(sample))
    assert torch.equal(twice.image, sample.image)
    assert torch.equal(plain(twice.x[0]), plain(sample.x[0]))
    torch.testing.assert_close(twice.intrinsics, sample.intrinsics)


def test_flip_mirrors_normals_and_moves_the_principal_point(sample: Sample) -> None:
    normals = torch.nn.functional.normalize(torch.randn(3, HEIGHT, WIDTH), dim=0)
    sample = replace(sample, x=(Normal(normals),), intrinsics=camera_matrix(50, 60, 10, 11))
    flipped = flip(sample)
    assert torch.equal(plain(flipped.x[0])[0], -normals[0].flip(-1))
    assert torch.equal(plain(flipped.x[0])[1:], normals[1:].flip(-1))
    torch.testing.assert_close(flipped.intrinsics, camera_matrix(50, 60, WIDTH - 1 - 10, 11))


def test_batch(sample: Sample) -> None:
    batch = to_batch(sample, "inverse")
    assert set(batch) == {"image", "target", "id", "x"}
    image, target, x = batch["image"], batch["target"], batch["x"]
    assert type(image) is type(target) is type(x) is Tensor
    assert image.dtype == torch.float32
    assert image.min() == 0
    assert image.max() == 1
    torch.testing.assert_close(image * 255, sample.image.as_subclass(Tensor).float())
    assert target.dtype == torch.int64
    torch.testing.assert_close(x, encode(sample.x[0], "inverse"))
    assert set(to_batch(replace(sample, x=()))) == {"image", "target", "id"}
