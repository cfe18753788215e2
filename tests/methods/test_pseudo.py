"""Targets that the teacher fills in where nobody labelled."""

from __future__ import annotations

import pytest
import torch

from lix.methods import pseudo_target

K = 3


def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    logits = torch.randn(2, K, 4, 5)
    target = torch.randint(0, K, (2, 4, 5))
    target[1] = 255
    target[0, 0] = 255
    valid = torch.ones(2, 4, 5, dtype=torch.bool)
    valid[0, 0] = False
    valid[1, :, -1] = False
    return target, logits, valid


def test_labels_stay_and_only_valid_pixels_are_filled() -> None:
    target, logits, valid = case()
    filled = pseudo_target(target, logits, valid)
    assert torch.equal(filled[0], target[0]), "labels, and void pixels that are not valid, stay"
    assert torch.equal(filled[1, :, :-1], logits[1, :, :, :-1].argmax(dim=0))
    assert (filled[1, :, -1] == 255).all()
    assert torch.equal(target[1], torch.full((4, 5), 255)), "the input is not changed"


def test_unsure_pixels_stay_unlabelled() -> None:
    target, logits, valid = case()
    sure = logits.softmax(dim=1).amax(dim=1) >= 0.6
    filled = pseudo_target(target, logits, valid, min_confidence=0.6)
    expected = pseudo_target(target, logits, valid & sure)
    assert torch.equal(filled, expected)
    assert 0 < (filled[1] != 255).sum() < (pseudo_target(target, logits, valid)[1] != 255).sum()


def test_wrong_input_is_one_sentence() -> None:
    target, logits, valid = case()
    with pytest.raises(ValueError, match="valid must be boolean of shape"):
        pseudo_target(target, logits, valid.float())
    with pytest.raises(ValueError, match=r"min_confidence must lie in \[0, 1\], got 2"):
        pseudo_target(target, logits, valid, min_confidence=2)
    with pytest.raises(ValueError, match="or be 255"):
        pseudo_target(target - 300, logits, valid)
