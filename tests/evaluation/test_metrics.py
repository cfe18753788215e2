"""The metrics against scikit-learn, over the whole set, with absent and ignored pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score

from lix.evaluation import scores
from lix.evaluation.evaluate import confusion_matrix as counter
from lix.evaluation.evaluate import evaluate
from lix.networks.mfnet import MFNet

K = 8


@pytest.fixture
def labels_and_predictions() -> tuple[torch.Tensor, torch.Tensor]:
    """Class 5 is only predicted, 6 never occurs, 7 only labelled; some pixels are ignored."""
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (6, 20, 30), generator=g)
    predictions = torch.where(torch.rand(6, 20, 30, generator=g) < 0.6, labels, 0)
    labels[0, :3] = 7
    predictions[1, :2] = 5
    labels[2, 5:9] = 255
    return labels, predictions


def flat(labels: torch.Tensor, predictions: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    valid = labels != 255
    return labels[valid].numpy(), predictions[valid].numpy()


def test_equal_to_scikit_learn(labels_and_predictions: tuple[torch.Tensor, torch.Tensor]) -> None:
    labels, predictions = labels_and_predictions
    count = counter(K)
    for label, prediction in zip(labels, predictions, strict=True):
        count.update(prediction[None], label[None])
    y, p = flat(labels, predictions)
    np.testing.assert_array_equal(count.compute(), confusion_matrix(y, p, labels=range(K)))
    score = scores(count.compute())
    occurring = [0, 1, 2, 3, 4, 5, 7]
    options = {"labels": occurring, "zero_division": 0}
    assert score.mIoU == pytest.approx(jaccard_score(y, p, average="macro", **options))
    assert score.means["fwIoU"] == pytest.approx(jaccard_score(y, p, average="weighted", **options))
    assert score.means["mFsc"] == pytest.approx(f1_score(y, p, average="macro", **options))
    assert score.means["fwFsc"] == pytest.approx(f1_score(y, p, average="weighted", **options))
    assert score.means["accuracy"] == pytest.approx(accuracy_score(y, p))
    per_class = jaccard_score(y, p, average=None, **options)
    assert [score.iou[k] for k in occurring] == pytest.approx(per_class)
    assert [score.f1[k] for k in occurring] == pytest.approx(
        f1_score(y, p, average=None, **options)
    )


def test_absent_classes_are_named(
    labels_and_predictions: tuple[torch.Tensor, torch.Tensor],
) -> None:
    count = counter(K)
    count.update(labels_and_predictions[1], labels_and_predictions[0])
    score = scores(count.compute())
    assert score.iou[6] is None
    assert score.absent([f"class {k}" for k in range(K)]) == ["class 6"]
    assert score.iou[5] == 0.0


def test_pixels_of_classes_that_are_not_scored_do_not_count(
    labels_and_predictions: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """As Cityscapes' benchmark ignores classes: their pixels are as if they were not labelled."""
    labels, predictions = labels_and_predictions
    count, without = counter(K), counter(K)
    count.update(predictions, labels)
    ours = scores(count.compute(), left_out=[7, 0, 0])
    kept = torch.where((labels == 0) | (labels == 7), 255, labels)
    without.update(predictions, kept)
    y, p = flat(kept, predictions)
    assert (p == 0).any(), "class 0 is predicted where others are labelled, which they miss"
    options = {"labels": [1, 2, 3, 4, 5], "zero_division": 0}
    assert ours.mIoU == pytest.approx(jaccard_score(y, p, average="macro", **options))
    assert ours.means["fwFsc"] == pytest.approx(f1_score(y, p, average="weighted", **options))
    assert ours.means["mFsc"] == pytest.approx(f1_score(y, p, average="macro", **options))
    assert ours.means["accuracy"] == pytest.approx(accuracy_score(y, p))
    names = [f"class {k}" for k in range(K)]
    assert ours.iou[0] is ours.f1[7] is None
    assert ours.as_dict(names)["not_scored"] == ["class 0", "class 7"]
    assert ours.absent(names) == ["class 6"]
    with pytest.raises(ValueError, match="no labelled pixel of the classes that are scored"):
        scores(torch.eye(2), left_out=[0, 1])


def test_over_the_whole_set_not_averaged_per_image() -> None:
    """One right pixel in an image of one must not outweigh 99 wrong ones elsewhere."""
    count = counter(2)
    count.update(torch.ones(1, 1, 1, dtype=torch.long), torch.ones(1, 1, 1, dtype=torch.long))
    count.update(torch.zeros(1, 9, 11, dtype=torch.long), torch.ones(1, 9, 11, dtype=torch.long))
    assert scores(count.compute()).iou[1] == pytest.approx(0.01)


def test_nothing_labelled_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="no labelled pixel"):
        scores(torch.zeros(3, 3))


def test_evaluate_counts_what_the_network_says() -> None:
    network = MFNet(3).train()
    batches = [
        {"image": torch.rand(2, 3, 16, 32), "target": torch.randint(0, 3, (2, 16, 32))}
        for _ in range(2)
    ]
    batches[0]["target"][0] = 255
    matrix = evaluate(network, batches)
    assert network.training
    assert matrix.sum() == 3 * 16 * 32
    network.eval()
    expected = torch.zeros(3, 3, dtype=torch.long)
    for b in batches:
        p = network(b["image"]).logits.argmax(1)
        for k in range(3):
            for j in range(3):
                expected[k, j] += ((b["target"] == k) & (p == j)).sum()
    assert torch.equal(matrix, expected)
