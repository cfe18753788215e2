"""Measures against a slow loop, and the choice against the full search."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lix.tools.select.measures import GRID, measure
from lix.tools.select.ranking import choose, class_weights, distance

CELLS = GRID[0] * GRID[1]


def test_measures_are_those_of_a_loop() -> None:
    teacher, student = torch.randn(2, 3, 6, 12), torch.randn(2, 3, 6, 12)
    measured = measure(teacher, student)
    pixels = 6 * 12
    expected = {name: torch.zeros(2, 3) for name in ("share", "teach", "label")}
    for b in range(2):
        for y in range(6):
            for x in range(12):
                t, s = teacher[b, :, y, x].softmax(0), student[b, :, y, x].softmax(0)
                second, first = sorted(t.tolist())[-2:]
                c = int(t.argmax())
                expected["share"][b, c] += 1 / pixels
                expected["teach"][b, c] += (
                    (first - second) * float((t - s).abs().sum()) / 2 / pixels
                )
                expected["label"][b, c] += (1 - (first - second)) / pixels
    for name, values in expected.items():
        torch.testing.assert_close(measured[name], values)
    layout = measured["layout"].view(2, 2, 3, *GRID)
    cell = teacher.softmax(1)[0, 1, 2:4, 2:4].mean()
    assert layout[0, 0, 1, 1, 1].item() == round(255 * cell.item())


def test_the_pull_is_the_gradient_of_the_distillation() -> None:
    teacher, student = torch.randn(1, 4, 2, 3), torch.randn(1, 4, 2, 3, requires_grad=True)
    loss = torch.nn.functional.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="sum")
    loss.backward()
    best = teacher.softmax(1).topk(2, dim=1).values
    margin = best[:, 0] - best[:, 1]
    expected = (margin * student.grad.abs().sum(1) / 2).mean()
    assert measure(teacher, student.detach())["teach"].sum().item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_equal_networks_have_nothing_to_teach() -> None:
    logits = 5 * torch.randn(2, 3, 6, 12)
    assert measure(logits, logits)["teach"].abs().max() < 1e-6


def test_rare_classes_weigh_more_up_to_a_limit() -> None:
    share = np.float32([[0.5, 0.25, 0.25, 0.0], [0.5, 0.25, 0.24, 0.01]])
    assert class_weights(share).round(3).tolist() == [0.5, 1.0, 1.02, 10.0]


def layouts(frames: int, classes: int = 3) -> np.ndarray:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(classes), (frames, 2, CELLS))
    return np.round(255 * probabilities.swapaxes(2, 3).reshape(frames, -1)).astype(np.uint8)


def test_distance_is_0_of_copies_and_1_of_opposites() -> None:
    one, other = np.zeros((2, 2, 3, CELLS), np.uint8)
    one[:, 0], other[:, 2] = 255, 255
    found = distance(np.stack([one.ravel(), other.ravel()]), one.ravel())
    assert found.tolist() == [0, 1]


def full_search(worth: np.ndarray, seen: np.ndarray, count: int) -> list[int]:
    nearest, chosen = np.ones(len(worth)), []
    for _ in range(count):
        gain = worth * nearest
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        nearest = np.minimum(nearest, distance(seen, seen[chosen[-1]]))
    return chosen


def test_the_lazy_choice_is_that_of_the_full_search() -> None:
    worth, seen = np.random.default_rng(1).gamma(2, 1, 200), layouts(200)
    chosen, gains = choose(worth, seen, 30)
    assert chosen == full_search(worth, seen, 30)
    assert gains == sorted(gains, reverse=True)
    assert choose(worth, seen, 10)[0] == chosen[:10], "a shorter list is the beginning"


def test_copies_are_chosen_once() -> None:
    seen = np.repeat(layouts(3), 4, axis=0)
    chosen, _ = choose(np.ones(12), seen, 12)
    assert chosen[0] == 0, "equal frames in their order"
    assert sorted(index // 4 for index in chosen) == [0, 1, 2]
    assert choose(np.zeros(12), seen, 3) == ([], []), "what is worth nothing is not chosen"
