"""The losses over logits against loops over samples, pixels and classes, and their limits."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lix.methods import (
    build_method,
    cwkd_loss,
    dist_loss,
    dkd_loss,
    dwld_loss,
    kd_loss,
    wsld_loss,
)
from lix.networks import SegOutput
from tests.methods.logit_loops import loop_cwkd, loop_dist, loop_dkd, loop_kd, loop_wsld, softmax

TEMPERATURES = [1.0, 2.0, 4.0]
SHAPES = [(2, 4, 3, 5), (1, 2, 2, 3), (9, 5), (7, 2)]

Loss = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]
"""A loss of zs, zt, target (255 = ignored), valid and T."""
LOSSES: dict[str, tuple[Loss, Callable[..., float]]] = {
    "kd": (lambda s, t, y, v, T: kd_loss(s, t, temperature=T, valid=v), loop_kd),
    "cwkd": (lambda s, t, y, v, T: cwkd_loss(s, t, temperature=T, valid=v), loop_cwkd),
    "dist": (
        lambda s, t, y, v, T: dist_loss(
            s, t, inter_weight=0.7, intra_weight=1.9, temperature=T, valid=v
        ),
        loop_dist,
    ),
    "wsld": (lambda s, t, y, v, T: wsld_loss(s, t, y, temperature=T), loop_wsld),
    "dkd": (
        lambda s, t, y, v, T: dkd_loss(s, t, y, alpha=0.7, beta=1.9, temperature=T),
        loop_dkd,
    ),
}


def draw(*shape: int, scale: float = 2.0) -> Tensor:
    return scale * torch.randn(*shape, dtype=torch.float64)


def labels(z: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
    """Random labels, of which `share` count, and where; at least two pixels do."""
    valid = torch.rand(z.shape[0], *z.shape[2:]) < share
    valid.view(-1)[:2] = True
    return torch.randint(0, z.shape[1], valid.shape).where(valid, 255), valid


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("name", LOSSES)
def test_equals_loops(name: str, temperature: float, shape: tuple[int, ...], share: float) -> None:
    loss, loop = LOSSES[name]
    zs, zt = draw(*shape), draw(*shape)
    target, valid = labels(zs, share)
    expected = loop(zs, zt, target, valid, temperature)
    actual = loss(zs, zt, target, valid, temperature)
    assert actual.item() == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_cwkd_leaves_samples_without_labels_out() -> None:
    zs, zt = draw(3, 4, 2, 5), draw(3, 4, 2, 5)
    valid = torch.ones(3, 2, 5, dtype=torch.bool)
    valid[1] = False
    torch.testing.assert_close(cwkd_loss(zs, zt, valid=valid), cwkd_loss(zs[[0, 2]], zt[[0, 2]]))


def test_cwkd_of_a_mask_is_that_of_the_crop() -> None:
    zs, zt = draw(2, 4, 3, 6), draw(2, 4, 3, 6)
    valid = torch.zeros(2, 3, 6, dtype=torch.bool)
    valid[:, 1:, 2:5] = True
    crop = [z[:, :, 1:, 2:5] for z in (zs, zt)]
    torch.testing.assert_close(cwkd_loss(zs, zt, valid=valid), cwkd_loss(*crop))


@pytest.mark.parametrize("name", ["kd", "dist", "wsld", "dkd"])
def test_of_a_mask_is_that_of_the_selected_pixels(name: str) -> None:
    """Flat logits (B, K) work too, and DIST's correlation over pixels is included."""
    loss, _ = LOSSES[name]
    zs, zt = draw(3, 4, 3, 5), draw(3, 4, 3, 5)
    target, valid = labels(zs, share=0.4)
    rows = [z.movedim(1, -1)[valid] for z in (zs, zt)]
    flat = loss(*rows, target[valid], valid[valid], 2.0)
    torch.testing.assert_close(loss(zs, zt, target, valid, 2.0), flat)


def test_cwkd_of_flat_logits_is_zero() -> None:
    zs, zt = draw(6, 4).requires_grad_(), draw(6, 4)
    loss = cwkd_loss(zs, zt)
    loss.backward()
    assert loss.item() == 0
    assert not zs.grad.any()


@pytest.mark.parametrize("name", ["kd", "cwkd", "dkd"])
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 30), temperature=st.floats(0.5, 8))
@settings(max_examples=20, deadline=None)
def test_divergences_are_positive_but_zero_at_equality(
    name: str, seed: int, scale: float, temperature: float
) -> None:
    torch.manual_seed(seed)
    loss, _ = LOSSES[name]
    zt = draw(2, 4, 3, 3, scale=scale)
    target, valid = labels(zt, share=0.8)
    zs = zt.clone().requires_grad_()
    at_equality = loss(zs, zt, target, valid, temperature)
    at_equality.backward()
    assert at_equality.item() == pytest.approx(0, abs=1e-10)
    assert zs.grad.abs().max() < 1e-10
    assert loss(draw(2, 4, 3, 3, scale=scale), zt, target, valid, temperature).item() > 1e-10


def test_dist_is_zero_at_equality_and_at_most_twice_its_weights() -> None:
    zt = draw(2, 4, 3, 3)
    assert dist_loss(zt, zt).item() == pytest.approx(0, abs=1e-5)
    opposite = torch.tensor([[0.0, 4.0], [4.0, 0.0]])
    assert dist_loss(opposite, -opposite, inter_weight=3).item() == pytest.approx(8, abs=1e-5)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_wsld_at_equality_is_the_weighted_entropy(temperature: float) -> None:
    """w = 1 - exp(-CE / (CE + 1e-7)), that is 1 - 1/e unless the label is certain."""
    z = draw(8, 5)
    z[0, 0] = 200
    target = torch.cat([torch.zeros(1, dtype=torch.long), torch.randint(0, 5, (7,))])
    entropies = [-sum(p * math.log(p) for p in softmax(row, temperature)) for row in z[1:].tolist()]
    expected = temperature**2 * (1 - 1 / math.e) * sum(entropies) / 8
    actual = wsld_loss(z, z, target, temperature=temperature)
    assert actual.item() == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 10_000), st.sampled_from(TEMPERATURES), st.floats(0, 10))
@settings(max_examples=20, deadline=None)
def test_with_two_classes_dkd_is_kd(seed: int, temperature: float, beta: float) -> None:
    torch.manual_seed(seed)
    zs, zt = draw(5, 2, 2, 3), draw(5, 2, 2, 3)
    target, valid = labels(zs, share=0.7)
    dkd = dkd_loss(zs, zt, target, beta=beta, temperature=temperature)
    torch.testing.assert_close(dkd, kd_loss(zs, zt, temperature=temperature, valid=valid))


def test_with_two_classes_dist_within_pixels_counts_disagreements() -> None:
    zs, zt = draw(20, 2), draw(20, 2)
    disagree = (zs.argmax(1) != zt.argmax(1)).double().mean()
    torch.testing.assert_close(dist_loss(zs, zt, intra_weight=0), 2 * disagree)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_what_a_softmax_does_not_see_changes_nothing(seed: int) -> None:
    """A number added to all classes of a pixel; for CWKD, to all pixels of a class."""
    torch.manual_seed(seed)
    zs, zt = draw(2, 4, 3, 5), draw(2, 4, 3, 5)
    target, valid = labels(zs)
    for name, (loss, _) in LOSSES.items():
        shift = draw(2, 4, 1, 1) if name == "cwkd" else draw(2, 1, 3, 5)
        moved = loss(zs + shift, zt - shift, target, valid, 2.0)
        torch.testing.assert_close(moved, loss(zs, zt, target, valid, 2.0))


@pytest.mark.parametrize("shape", [(2, 4, 3, 5), (6, 4)])
@pytest.mark.parametrize("garbage", [0.0, float("nan")])
@pytest.mark.parametrize("name", LOSSES)
def test_of_no_valid_pixel_is_zero(name: str, garbage: float, shape: tuple[int, ...]) -> None:
    loss, _ = LOSSES[name]
    zs, zt = (draw(*shape).fill_(garbage) for _ in range(2))
    target, valid = (torch.full((shape[0], *shape[2:]), fill) for fill in (255, False))
    nothing = loss(zs.requires_grad_(), zt, target, valid, 2.0)
    nothing.backward()
    assert nothing.item() == 0
    assert not zs.grad.any()


def confident(*at: int) -> Tensor:
    """Float32 logits (N, 3), 1000 at the given class of each row."""
    return 1000.0 * torch.nn.functional.one_hot(torch.tensor(at), 3).float()


def test_confident_disagreement_costs_what_the_logits_differ() -> None:
    zs, zt, y = confident(0).requires_grad_(), confident(2), torch.tensor([2])
    half = math.log(0.5)
    cases = {
        "kd": (kd_loss(zs, zt), 1000),
        # The others: 1/2, 1/2 for the teacher, 1, e^-1000 for the student.
        "dkd": (dkd_loss(zs, zt, y), 1000 + (500 + half)),
        "dwld": (dwld_loss(zs, zt, y, torch.tensor([[2.0, 4.0, 9.0]])), 1000 + 3 * half + 2000),
        "wsld": (wsld_loss(zs, zt, y, temperature=1.0), 1000),
        "wsld T": (wsld_loss(zs, zt, y, temperature=4.0), 4 * 1000),
        "dist": (dist_loss(zs, zt, intra_weight=0), 1.5),
        "cwkd": (cwkd_loss(zs.T.view(1, 1, 3, 1), zt.T.view(1, 1, 3, 1), temperature=1.0), 1000),
    }
    for name, (loss, expected) in cases.items():
        (gradient,) = torch.autograd.grad(loss, zs)
        assert loss.item() == pytest.approx(expected, rel=1e-5), name
        assert gradient.isfinite().all(), name


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(2, 4, 3, 5), (6, 4)])
def test_finite_at_logits_times_1000(name: str, shape: tuple[int, ...]) -> None:
    """The value in float32 at T = 1 is close to the exact one in float64."""
    loss, _ = LOSSES[name]
    zs, zt = draw(*shape, scale=1000.0).requires_grad_(), draw(*shape, scale=1000.0)
    target, valid = labels(zs, share=0.7)
    exact = loss(zs.float().double(), zt.float().double(), target, valid, 1.0)
    single = loss(zs.float(), zt.float(), target, valid, 1.0)
    single.backward()
    torch.testing.assert_close(single.double(), exact, rtol=1e-5, atol=1e-6)
    assert zs.grad.isfinite().all()


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_of_uniform_predictions(temperature: float) -> None:
    zs, zt = torch.full((2, 5, 3, 4), 7.0, requires_grad=True), torch.full((2, 5, 3, 4), -2.0)
    y = torch.randint(0, 5, (2, 3, 4))
    T = {"temperature": temperature}
    entropy = temperature**2 * (1 - 1 / math.e) * math.log(5)
    expected = [
        (kd_loss(zs, zt, **T), 0),
        (cwkd_loss(zs, zt, **T), 0),
        (dkd_loss(zs, zt, y, **T), 0),
        (dwld_loss(zs, zt, y, 3.0), 0),
        (wsld_loss(zs, zt, y, **T), entropy),
        # Constants correlate with nothing: 1 - 0 for the pixels and for the classes.
        (dist_loss(zs, zt, **T), 2),
    ]
    for loss, value in expected:
        assert loss.item() == pytest.approx(value, abs=1e-5)
        (gradient,) = torch.autograd.grad(loss, zs)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-7)


def test_cwkd_of_maps_constant_in_space_is_zero() -> None:
    zs, zt = (draw(2, 5, 1, 1).expand(-1, -1, 3, 4) for _ in range(2))
    assert cwkd_loss(zs, zt).item() == pytest.approx(0, abs=1e-12)
    assert kd_loss(zs, zt).item() > 0.1


@pytest.mark.parametrize(
    ("epoch", "factor"), [(0, 0.25), (1, 0.5), (3, 1.0), (7, 1.0), (math.inf, 1.0)]
)
def test_dkd_grows_over_its_warmup(epoch: float, factor: float) -> None:
    """The official code counts epochs from 1."""
    zs, zt = draw(2, 4, 3, 5), draw(2, 4, 3, 5)
    target, _ = labels(zs, share=0.8)
    method = build_method("dkd", (), 4, weight=3.0, beta=2.0, warmup_epochs=4)
    method.epoch = epoch
    term = method(SegOutput(zs, {}), SegOutput(zt, {}), target)["dkd"]
    torch.testing.assert_close(term, 3 * factor * dkd_loss(zs, zt, target, beta=2.0))


def test_dkd_without_warmup_counts_from_the_start() -> None:
    zs, zt = draw(2, 4, 3, 5), draw(2, 4, 3, 5)
    target, _ = labels(zs)
    method = build_method("dkd", (), 4, weight=1.0)
    method.epoch = 0
    term = method(SegOutput(zs, {}), SegOutput(zt, {}), target)["dkd"]
    torch.testing.assert_close(term, dkd_loss(zs, zt, target))
