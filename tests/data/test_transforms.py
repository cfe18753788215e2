"""Geometry that all parts share, colours of the image alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from lix.core.types import IGNORE_INDEX
from lix.data.encode import encode
from lix.data.modalities import Channels, Depth, Disparity, Normal
from lix.data.sample import Sample, camera_matrix
from lix.data.transforms import Augment, crop, flip, resize, to_batch

HEIGHT, WIDTH = 24, 40


def plain(x: Tensor | None) -> Tensor:
    assert x is not None
    return x.as_subclass(Tensor)


@pytest.fixture
def sample() -> Sample:
    """Every pixel of target and X has a value of its own; red says the same as the target."""
    ids = torch.arange(HEIGHT * WIDTH).view(HEIGHT, WIDTH) % 255
    return Sample(
        image=tv_tensors.Image(torch.stack([ids, ids // 2, 255 - ids]).to(torch.uint8)),
        target=tv_tensors.Mask(ids),
        id="a",
        x=(Depth(torch.arange(1.0, HEIGHT * WIDTH + 1).view(1, HEIGHT, WIDTH)),),
        intrinsics=camera_matrix(50.0, 60.0, 19.5, 11.5),
    )


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


def test_disparity_scales_with_the_width_of_the_zoom(sample: Sample) -> None:
    x = Disparity(torch.full((1, HEIGHT, WIDTH), 6.0))
    fixed = Augment((HEIGHT, WIDTH), scale=(2.0, 2.0), flip=0, photometric=0)
    assert (plain(fixed(replace(sample, x=(x,))).x[0]) == 12).all()
    assert (plain(resize(replace(sample, x=(x,)), (HEIGHT, WIDTH // 2)).x[0]) == 3).all()


def test_metric_depth_keeps_its_values_in_a_zoom(sample: Sample) -> None:
    x = Depth(torch.full((1, HEIGHT, WIDTH), 6.0))
    zoomed = Augment((HEIGHT, WIDTH), scale=(2.0, 2.0), photometric=0)(replace(sample, x=(x,)))
    assert (plain(zoomed.x[0]) == 6).all()


def test_zoom_out_ignores_the_surroundings(sample: Sample) -> None:
    sample = replace(sample, image=tv_tensors.Image(torch.full_like(sample.image, 90)))
    for photometric in (0.0, 1.0):
        shrunk = Augment((HEIGHT, WIDTH), scale=(0.5, 0.5), photometric=photometric)(sample)
        outside = plain(shrunk.x[0])[0].isnan()
        assert outside.sum() == HEIGHT * WIDTH - (HEIGHT // 2) * (WIDTH // 2)
        assert (shrunk.target[outside] == IGNORE_INDEX).all()
        assert (shrunk.image[:, outside] == 0).all()
        assert (shrunk.image[:, ~outside] > 0).all()  # no darker edge
        assert (encode(shrunk.x[0])[0][outside] == 0).all()


def test_invalid_stays_nan_until_it_is_encoded(sample: Sample) -> None:
    x = plain(sample.x[0]).clone()
    x[:, ::2] = torch.nan
    sample = replace(sample, x=(Depth(x),))
    augmented = Augment((HEIGHT, WIDTH), scale=(1.2, 1.2))(sample)
    assert 0 < plain(augmented.x[0]).isnan().sum() < HEIGHT * WIDTH
    batch = to_batch(augmented)
    assert isinstance(batch["x"], Tensor)
    assert torch.equal(batch["x"] == 0, ~(plain(augmented.x[0]) < 200))


def test_augmentation_that_does_nothing(sample: Sample) -> None:
    result = Augment((HEIGHT, WIDTH), scale=(1, 1), flip=0, photometric=0)(sample)
    torch.testing.assert_close(plain(result.image) * 255, plain(sample.image).float())
    assert torch.equal(result.target, sample.target)
    assert torch.equal(plain(result.x[0]), plain(sample.x[0]))
    torch.testing.assert_close(result.intrinsics, sample.intrinsics)


def test_colours_change_the_image_alone(sample: Sample) -> None:
    for size in ((HEIGHT, WIDTH), (HEIGHT * 2, WIDTH * 2), (HEIGHT // 2, WIDTH // 2)):
        torch.manual_seed(0)
        coloured = Augment(size, scale=(1, 1), flip=0, photometric=1)(sample)
        expected = resize(sample, size)
        assert not torch.equal(coloured.image, expected.image)
        assert torch.equal(coloured.target, expected.target)
        assert torch.equal(plain(coloured.x[0]), plain(expected.x[0]))


def test_x_is_disturbed_alone(sample: Sample) -> None:
    def drawn(**disturbed: Any) -> Sample:
        torch.manual_seed(0)
        kinds = (Depth(torch.full((1, HEIGHT, WIDTH), 6.0)), Channels(torch.ones(1, HEIGHT, WIDTH)))
        return Augment((HEIGHT, WIDTH), **disturbed)(replace(sample, x=kinds))

    plainly, other = drawn(), drawn(x_scale=(0.5, 2.0), x_drop=1.0)
    assert torch.equal(plainly.image, other.image)
    assert torch.equal(plainly.target, other.target)
    depth, channels = (plain(x) for x in other.x)
    factors = (depth / plain(plainly.x[0])).flatten()
    seen = factors[~factors.isnan()]
    assert 0.5 <= seen.min() <= seen.max() <= 2
    assert seen.std() < 1e-6 < abs(seen[0] - 1)
    assert channels.nan_to_num(1).eq(1).all()
    missing = depth.isnan() & ~plain(plainly.x[0]).isnan()
    assert missing.sum() <= (HEIGHT // 2) * (WIDTH // 2)
    assert depth.isnan().sum() >= (HEIGHT // 2) * (WIDTH // 2)
    assert torch.equal(depth.isnan(), channels.isnan())


def test_augmentation_depends_on_the_seed_alone(sample: Sample) -> None:
    def drawn(seed: int) -> Sample:
        torch.manual_seed(seed)
        return Augment((HEIGHT, WIDTH))(sample)

    again = [torch.equal(drawn(s).image, drawn(s).image) for s in range(5)]
    assert all(again)
    assert len({drawn(s).image.numpy().tobytes() for s in range(5)}) == 5


def test_augmentation_sees_the_whole_image_over_time(sample: Sample) -> None:
    torch.manual_seed(0)
    augment = Augment((HEIGHT, WIDTH), scale=(1.5, 1.5), photometric=0)
    values = torch.cat([plain(augment(sample).x[0]).flatten() for _ in range(200)]).long() - 1
    assert set((values % WIDTH).tolist()) == set(range(WIDTH))
    assert set((values // WIDTH).tolist()) == set(range(HEIGHT))


@pytest.mark.parametrize("scale", [(0.0, 1.0), (-1.0, 1.0), (1.5, 0.5)])
def test_wrong_scale(scale: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="two positive numbers, the smaller first"):
        Augment((HEIGHT, WIDTH), scale=scale)


def test_extreme_zooms(sample: Sample) -> None:
    for scale in (0.1, 10.0):
        result = Augment((HEIGHT, WIDTH), scale=(scale, scale))(sample)
        assert result.image.shape == (3, HEIGHT, WIDTH)


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


def test_a_crop_is_a_part_of_the_zoomed_frame(sample: Sample) -> None:
    """Each pixel of a crop without zoom is one of the frame, in its place."""
    cut = Augment((HEIGHT, WIDTH), (1, 1), flip=0, photometric=0, crop=(10, 16))(sample)
    assert cut.target.shape == (10, 16)
    depth, whole = plain(cut.x[0])[0], plain(sample.x[0])[0]
    top, left = divmod(int(depth[0, 0]) - 1, WIDTH)
    assert torch.equal(depth, whole[top : top + 10, left : left + 16])
    places = {
        int(plain(Augment((HEIGHT, WIDTH), (1, 1), 0, 0, (10, 16))(sample).x[0])[0, 0, 0])
        for _ in range(20)
    }
    assert len(places) > 10


@pytest.mark.parametrize("zoom", [0.25, 0.5, 2.0])
def test_a_crop_of_a_zoomed_frame_keeps_its_scale(sample: Sample, zoom: float) -> None:
    """Neighbours in a crop are 1 / zoom pixels of the frame apart; what lies outside is ignored."""
    size = (12, 20)
    cut = Augment((HEIGHT, WIDTH), (zoom, zoom), flip=0, photometric=0, crop=size)(sample)
    assert cut.target.shape == size
    depth = plain(cut.x[0])[0]
    inside = depth.isfinite()
    assert int(inside.sum()) == round(min(size[0], HEIGHT * zoom)) * round(
        min(size[1], WIDTH * zoom)
    )
    row = depth[inside.any(dim=1)][0]
    row = row[row.isfinite()]
    assert float(row[-1] - row[0]) == pytest.approx((len(row) - 1) / zoom, abs=1 / zoom)
