"""The logit methods serve classification: logits (B, K) and labels (B,) of handwritten digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from lix.methods import (
    DWLD,
    build_method,
    cwkd_loss,
    dist_loss,
    dkd_loss,
    dwld_loss,
    kd_loss,
    wsld_loss,
)
from lix.networks import SegOutput

Loss = Callable[[Tensor], Tensor]
"""A loss of the student's logits on the training images."""


class Digits(NamedTuple):
    """600 training images, the rest to test on, and what a teacher says of the former."""

    images: Tensor
    labels: Tensor
    noisy: Tensor
    """60 % of the labels are drawn at random."""
    teacher: Tensor
    """Logits of a teacher of 128 hidden units that saw the right labels."""
    test_images: Tensor
    test_labels: Tensor


def mlp(hidden: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def train(network: nn.Module, images: Tensor, loss: Loss) -> nn.Module:
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(80):
        optimizer.zero_grad()
        loss(network(images)).backward()
        optimizer.step()
    return network


@pytest.fixture(scope="module")
def digits() -> Digits:
    images, labels = (torch.from_numpy(a) for a in load_digits(return_X_y=True))
    g = torch.Generator().manual_seed(0)
    order = torch.randperm(len(images), generator=g)
    images, labels = images[order].float() / 16, labels[order]
    train_images, truth = images[:600], labels[:600]
    drawn = torch.randint(0, 10, (600,), generator=g)
    noisy = torch.where(torch.rand(600, generator=g) < 0.6, drawn, truth)
    teacher = train(mlp(128), train_images, lambda z: F.cross_entropy(z, truth))
    with torch.no_grad():
        teacher_logits = teacher(train_images)
    return Digits(train_images, truth, noisy, teacher_logits, images[600:], labels[600:])


def accuracy(digits: Digits, loss: Loss) -> float:
    """Accuracy on the test images of a student of 32 hidden units trained with `loss`."""
    student = train(mlp(32), digits.images, loss)
    with torch.no_grad():
        right = student(digits.test_images).argmax(dim=1) == digits.test_labels
    return right.double().mean().item()


@pytest.fixture(scope="module")
def undistilled(digits: Digits) -> float:
    return accuracy(digits, lambda zs: F.cross_entropy(zs, digits.noisy))


def dwld_class(zs: Tensor, zt: Tensor, y: Tensor) -> Tensor:
    method = DWLD((), 10, weight=1.0, controller="entropy")
    return method(SegOutput(zs, {}), SegOutput(zt, {}), y)["dwld"]


DISTILLATION: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "kd": lambda zs, zt, y: kd_loss(zs, zt, temperature=4.0),
    "dist": lambda zs, zt, y: 2 * dist_loss(zs, zt),
    "dkd": lambda zs, zt, y: dkd_loss(zs, zt, y, beta=2.0, temperature=4.0),
    "wsld": lambda zs, zt, y: 2.25 * wsld_loss(zs, zt, y, temperature=4.0),
    "dwld": lambda zs, zt, y: dwld_loss(zs, zt, y, 2.0),
    "DWLD": dwld_class,
}


@pytest.mark.parametrize("name", DISTILLATION)
def test_distillation_outweighs_noisy_labels(name: str, digits: Digits, undistilled: float) -> None:
    """Every method in one set-up: hard labels of which 60 % are drawn at random.

    Cross-entropy and the losses that need a target get the same noisy labels, so the only way to
    the right ones is through the teacher's logits, and the students differ in the loss alone.
    """
    distil = DISTILLATION[name]

    def loss(zs: Tensor) -> Tensor:
        return F.cross_entropy(zs, digits.noisy) + distil(zs, digits.teacher, digits.noisy)

    assert undistilled < 0.75
    assert accuracy(digits, loss) > undistilled + 0.2


def test_the_gain_is_the_teachers_knowledge(digits: Digits, undistilled: float) -> None:
    """With the logits of other images, as smooth as the right ones, nothing is gained."""
    others = digits.teacher.roll(1, dims=0)

    def loss(zs: Tensor) -> Tensor:
        return F.cross_entropy(zs, digits.noisy) + kd_loss(zs, others, temperature=4.0)

    assert accuracy(digits, loss) < undistilled


@pytest.mark.parametrize("name", ["kd", "dist"])
def test_losses_without_a_target_learn_from_unlabelled_images(name: str, digits: Digits) -> None:
    """20 labels; the teacher's logits, not its labels, on the other 580 images."""

    def hard(zs: Tensor) -> Tensor:
        return F.cross_entropy(zs[:20], digits.labels[:20])

    def distilled(zs: Tensor) -> Tensor:
        return hard(zs) + DISTILLATION[name](zs, digits.teacher, digits.labels)

    assert accuracy(digits, distilled) > accuracy(digits, hard) + 0.15


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("name", ["kd", "cwkd", "dkd", "dist", "wsld", "dwld"])
def test_method_classes_take_a_step_on_flat_logits(
    name: str, ignored: bool, digits: Digits
) -> None:
    """Some samples may have no label; those alone get no gradient."""
    target = digits.labels[:40].clone()
    if ignored:
        target[::3] = 255
    zs = mlp(32)(digits.images[:40]).detach().requires_grad_()
    method = build_method(name, (), 10)
    term = method(SegOutput(zs, {}), SegOutput(digits.teacher[:40], {}), target)[name]
    term.backward()
    has_gradient = zs.grad.any(dim=1)
    if name == "cwkd":  # one position: nothing to compare
        assert term.item() == 0
        assert not has_gradient.any()
    else:
        assert torch.equal(has_gradient, target != 255)
        closer = zs.detach() - 10 * zs.grad
        again = method(SegOutput(closer, {}), SegOutput(digits.teacher[:40], {}), target)[name]
        assert again < term


def test_flat_logits_are_pixels_of_one_column(digits: Digits) -> None:
    """(B, K) costs what (1, K, B, 1) costs, in every loss but CWKD, which compares positions."""
    zs, zt, y = mlp(32)(digits.images[:30]).detach(), digits.teacher[:30], digits.noisy[:30]
    column = [z.T[None, :, :, None] for z in (zs, zt)]
    for name, distil in DISTILLATION.items():
        torch.testing.assert_close(
            distil(*column, y[None, :, None]),
            distil(zs, zt, y),
            msg=lambda m, n=name: f"{n}: {m}",
            rtol=1e-5,
            atol=1e-6,
        )
    assert cwkd_loss(*column).item() > 0.01
