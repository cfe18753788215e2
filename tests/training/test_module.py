"""The loss of the labels, by loops."""

from __future__ import annotations

import pytest
import torch

from lix.training.module import hard_loss


@pytest.mark.parametrize("most", [1.0, 2.0, 10.0])
def test_rare_classes_weigh_more_up_to_the_most(most: float) -> None:
    logits = torch.randn(2, 4, 3, 5)
    target = torch.randint(0, 2, (2, 3, 5))
    target[0, 0, :2], target[1, 2, 4] = 255, 3  # class 2 does not occur, class 3 once
    counts = [int((target == k).sum()) for k in range(4)]
    total = weights = 0.0
    for b, i, j in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(5)).tolist():
        label = int(target[b, i, j])
        if label == 255:
            continue
        weight = min(max(sum(counts) / (4 * counts[label]), 1.0), most)
        total -= weight * float(logits[b, :, i, j].log_softmax(0)[label])
        weights += weight
    assert hard_loss(logits, target, most).item() == pytest.approx(total / weights, rel=1e-5)


def test_without_labels_the_loss_is_zero() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    target = torch.full((1, 2, 2), 255)
    for most in (1.0, 10.0):
        loss = hard_loss(logits, target, most)
        loss.backward()
        assert loss.item() == 0
    assert logits.grad.abs().sum() == 0
