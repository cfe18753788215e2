"""Surface normals of planes whose normals are known, with holes, borders, flips and rescaling."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from lix.data.encode import encode, encoded_channels
from lix.data.modalities import Depth, Disparity, XSpec
from lix.data.normals import depth_to_normals
from lix.data.options import NORMALS, Estimator
from lix.data.sample import Sample
from lix.data.transforms import flip, resize, to_batch

ESTIMATORS = get_args(Estimator)
SIZE = (60, 90)
K = torch.tensor([[72.0, 0.0, 41.0], [0.0, 60.0, 28.0], [0.0, 0.0, 1.0]])


def plane(normal: tuple[float, ...], distance: float) -> tuple[Tensor, Tensor]:
    """Depth (1, 1, H, W) of n · P = d, NaN behind the camera or far off; and -n or n, to it."""
    n = torch.nn.functional.normalize(torch.tensor(normal, dtype=torch.float64), dim=0)
    v, u = torch.meshgrid(*(torch.arange(s, dtype=torch.float64) for s in SIZE), indexing="ij")
    ray = torch.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], torch.ones_like(u)])
    depth = distance / torch.einsum("c,chw->hw", n, ray)
    depth = depth.where((depth > 0.5) & (depth < 100), torch.nan)
    return depth.float()[None, None], -n.float()


def degrees(normals: Tensor, expected: Tensor) -> Tensor:
    """Angles (B, H, W) to one direction; the chord is exact where the cosine is not."""
    chord = (normals - expected.view(1, 3, 1, 1)).norm(dim=1)
    return torch.rad2deg(2 * torch.asin((chord / 2).clamp(max=1)))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("normal", "distance"),
    [
        ((0, 1, 0), 1.6),  # ground
        ((0, 0, 1), 10.0),  # wall ahead
        ((1, 0, 0.2), 5.0),  # wall at the right
        ((0.1, -1, 0.2), 3.0),  # overhanging
        ((0.4, 0.5, 0.7), 4.0),
    ],
)
def test_planes_are_exact_up_to_their_borders(
    estimator: Estimator, normal: tuple[float, ...], distance: float
) -> None:
    depth, expected = plane(normal, distance)
    got = depth_to_normals(depth, K, estimator=estimator)
    valid = depth.isfinite().squeeze(1)
    assert valid.float().mean() > 0.2
    assert torch.equal(got.isfinite().all(dim=1), valid)
    assert degrees(got, expected)[valid].max() < 0.05
    torch.testing.assert_close(got.norm(dim=1)[valid], torch.ones(int(valid.sum())))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_holes_stay_holes_and_harm_no_neighbour(estimator: Estimator) -> None:
    depth, expected = plane((0.4, 0.5, 0.7), 4.0)
    holes = torch.rand(depth.shape, generator=torch.Generator().manual_seed(0)) < 0.1
    values = torch.tensor([0.0, -1.0, torch.nan, torch.inf])
    depth[holes] = values[torch.arange(int(holes.sum())) % 4]
    before = depth.clone()
    got = depth_to_normals(depth, K, estimator=estimator)
    torch.testing.assert_close(depth, before, equal_nan=True)
    valid = got.isfinite().all(dim=1)
    assert not (valid & holes.squeeze(1)).any()
    assert (valid | holes.squeeze(1)).float().mean() > 0.97, (
        "only pixels between two holes are lost"
    )
    assert degrees(got, expected)[valid].max() < 0.05


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_batches_and_units_make_no_difference(estimator: Estimator) -> None:
    a, _ = plane((0.4, 0.5, 0.7), 4.0)
    b, _ = plane((0, 1, 0), 1.6)
    other = K * torch.tensor([[2.0], [1.0], [1.0]])
    both = depth_to_normals(torch.cat([a, 1000 * b]), torch.stack([K, other]), estimator=estimator)
    for got, depth, k in ((both[:1], a, K), (both[1:], b, other)):
        single = depth_to_normals(depth, k, estimator=estimator)
        torch.testing.assert_close(got, single, equal_nan=True, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("depth", "k", "estimator", "error"),
    [
        (torch.ones(1, 3, 4), K, "sne", r"\(B, 1, H, W\)"),
        (torch.ones(1, 1, 3, 4), K[:2], "sne", r"\(B, 3, 3\)"),
        (torch.ones(1, 1, 3, 4), K, "best", "must be one of sne"),
    ],
)
def test_wrong_input_is_one_sentence(depth: Tensor, k: Tensor, estimator: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        depth_to_normals(depth, k, estimator=estimator)


def sample() -> Sample:
    depth, _ = plane((0.4, 0.5, 0.7), 4.0)
    image = tv_tensors.Image(torch.zeros(3, *SIZE, dtype=torch.uint8))
    target = tv_tensors.Mask(torch.zeros(SIZE, dtype=torch.long))
    return Sample(image, target, "0", (Depth(depth[0]),), K.clone())


def test_normals_of_a_flipped_frame_point_the_other_way() -> None:
    plain = to_batch(sample(), "normal")["x"]
    flipped = to_batch(flip(sample()), "normal")["x"]
    mirror = torch.tensor([-1.0, 1.0, 1.0]).view(3, 1, 1)
    torch.testing.assert_close(flipped, plain.flip(-1) * mirror, atol=1e-3, rtol=0)


def test_normals_survive_a_change_of_size() -> None:
    _, expected = plane((0.4, 0.5, 0.7), 4.0)
    resized = to_batch(resize(sample(), (30, 30)), "normal")["x"]
    assert degrees(resized.unsqueeze(0), expected).max() < 0.5


def test_normals_of_disparity_are_those_of_depth() -> None:
    depth, _ = plane((0.4, 0.5, 0.7), 4.0)
    from_depth = encode(Depth(depth[0]), "normal", K)
    from_disparity = encode(Disparity(30 / depth[0]), "normal", K)
    torch.testing.assert_close(from_disparity, from_depth, atol=1e-3, rtol=0)


def test_several_encodings_are_joined() -> None:
    batch = to_batch(sample(), "log+normal")["x"]
    assert batch.shape == (4, *SIZE)
    torch.testing.assert_close(batch[:1], to_batch(sample(), "log")["x"])


@pytest.mark.parametrize(("encoding", "estimator"), NORMALS.items())
def test_encodings_reach_every_estimator(encoding: str, estimator: Estimator) -> None:
    depth, _ = plane((0.4, 0.5, 0.7), 4.0)
    depth[0, 0, 30, 40] = 9.0  # where they differ
    expected = depth_to_normals(depth, K, estimator=estimator)[0].nan_to_num(0.0)
    assert torch.equal(encode(Depth(depth[0]), encoding, K), expected)
    assert encoded_channels([XSpec("depth", 1)], f"log+{encoding}") == 4
    assert {*NORMALS.values()} == {*ESTIMATORS}


def test_normals_without_intrinsics_are_refused() -> None:
    with pytest.raises(ValueError, match="need the camera's intrinsics"):
        encode(Depth(torch.ones(1, 4, 4)), "normal")
