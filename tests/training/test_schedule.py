"""The learning rate over a training, against what the settings promise."""

from __future__ import annotations

import math

import pytest
import torch

from lix.runs.settings import Optim
from lix.training.schedule import rate_factor, schedule


def rates(optim: Optim, epochs: int, updates: int) -> list[float]:
    """The learning rate of each update."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=optim.lr)
    chosen = schedule(optimizer, optim, epochs, updates)
    used = []
    for _ in range(epochs * updates):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        chosen["lr_scheduler"]["scheduler"].step()
    return used


@pytest.mark.parametrize("name", ["constant", "poly", "cosine"])
def test_a_warmup_rises_with_every_step_and_then_the_schedule_begins(name: str) -> None:
    used = rates(Optim(lr=0.1, schedule=name, warmup=2), epochs=5, updates=4)
    assert used[:8] == pytest.approx([0.1 * step / 8 for step in range(1, 9)])
    for epoch in range(2, 5):
        done = (epoch - 2) / 3
        expected = {
            "constant": 1.0,
            "poly": (1 - done) ** 0.9,
            "cosine": (1 + math.cos(math.pi * done)) / 2,
        }
        assert used[4 * epoch : 4 * epoch + 4] == pytest.approx([0.1 * expected[name]] * 4)


def test_cosine_falls_from_one_to_almost_zero() -> None:
    used = rates(Optim(lr=1.0, schedule="cosine"), epochs=100, updates=1)
    assert used[0] == 1
    assert used[50] == pytest.approx(0.5)
    assert 0 < used[-1] < 1e-3


def test_poly_is_that_of_torch() -> None:
    optim = Optim(schedule="poly")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    poly = schedule(optimizer, optim, 7, 3)["lr_scheduler"]
    for epoch in range(7):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate_factor(optim, epoch, 7))
        optimizer.step()
        poly.step()
