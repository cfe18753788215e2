"""What is watched of unlabelled frames, and the sentences about it."""

from __future__ import annotations

import pytest
import torch

from lix.training.drive_statistics import DriveStatistics, diagnose_drive

CLASSES = ("road", "car", "sky")


def logits(classes: torch.Tensor, sharpness: float) -> torch.Tensor:
    return sharpness * torch.nn.functional.one_hot(classes, 3).permute(0, 3, 1, 2).float()


def test_means_are_those_of_the_valid_pixels_by_kind() -> None:
    classes = torch.zeros(2, 8, 8, dtype=torch.long)
    classes[1, :, 4:] = 1
    student = classes.clone()
    student[1, :, 4:] = 2
    valid = torch.ones(2, 8, 8, dtype=torch.bool)
    valid[1, :, :2] = False
    target = torch.full((2, 8, 8), 255)
    target[0, ::2] = 2
    statistics = DriveStatistics(CLASSES)
    for _ in range(2):  # sums over batches do not change the means
        statistics.update(
            logits(classes, 2.0), logits(student, 1.0), target, valid, torch.tensor([True, False])
        )
    means = {name: float(value) for name, value in statistics.means().items()}
    confidence = torch.tensor([2.0, 0, 0]).softmax(0)[0].item()
    assert means["confidence_labelled"] == pytest.approx(confidence)
    assert means["agreement_labelled"] == 1
    assert means["agreement_unlabelled"] == pytest.approx(1 / 3)
    assert means["teacher_unlabelled_car"] == pytest.approx(2 / 3)
    assert means["teacher_unlabelled_sky"] == means["teacher_labelled_car"] == 0
    assert (means["labels_sky"], means["labels_road"]) == (1, 0)
    statistics.reset()
    assert statistics.means() == {}


def watched(here: float, there: float, **shares: float) -> dict[str, float]:
    return {"confidence_labelled": here, "confidence_unlabelled": there} | shares


def test_a_foreign_drive_is_said() -> None:
    assert diagnose_drive({}) == diagnose_drive(watched(0.9, 0.8)) == {}
    sentence = diagnose_drive(watched(0.9, 0.5))["foreign_drive"]
    assert "look foreign to the teacher" in sentence
    assert "50 % there and 90 %" in sentence


def test_a_class_that_never_appears_is_named() -> None:
    shares = {
        "labels_car": 0.1,
        "teacher_unlabelled_car": 0.0,
        "labels_sky": 0.0,
        "teacher_unlabelled_sky": 0.0,
        "labels_road": 0.9,
        "teacher_unlabelled_road": 1.0,
    }
    assert "finds no car in" in diagnose_drive(watched(0.9, 0.9, **shares))["missing_classes"]
