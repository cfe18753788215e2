"""The augmentation: zoom, crop, colours, and what it does to X."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from lix.core.types import IGNORE_INDEX
from lix.data.encode import encode
from lix.data.modalities import Channels, Depth, Disparity
from lix.data.sample import Sample
from lix.data.transforms import Augment, resize, to_batch
from tests.data.samples import HEIGHT, WIDTH, plain, small_sample


@pytest.fixture
def sample() -> Sample:
    return small_sample()


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
