"""Networks on data with other classes, counted pixel by pixel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lix.evaluation.transfer import common_classes, evaluate_common
from lix.networks import SegNetwork


class Says(SegNetwork):
    """Answers with the image's channels as logits of three classes."""

    num_classes, x_channels, size_divisor, feature_specs, default_features = 3, 0, 1, {}, ()

    def _forward(self, image: Tensor, x: Tensor | None, taps: object) -> Tensor:
        return image


def test_classes_of_one_name_or_of_one_group() -> None:
    same = common_classes(["Road", "Traffic Sign", "Van"], ["sky", "traffic-sign", "road"])
    assert same.names == ("Road", "Traffic Sign")
    assert same.of_network == ((0,), (1,))
    assert same.of_data == ((2,), (1,))
    groups = {"vehicle": ["car", "van"], "road": ["Road"], "water": ["sea"]}
    grouped = common_classes(["Road", "Car", "Van"], ["car", "road"], groups)
    assert grouped.names == ("vehicle", "road")
    assert grouped.of_network == ((1, 2), (0,))
    assert grouped.of_data == ((0,), (1,))
    halves = common_classes(["a", "b"], ["a1", "b", "a2"], {"a": ["a", "a1", "a2"], "b": ["b"]})
    assert halves.left_out([0, 1]) == (1,), "half of a group still counts"
    assert halves.left_out([0, 2]) == (0,)


def test_too_few_and_doubled_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than two classes in common"):
        common_classes(["road", "car"], ["road", "sky"])
    with pytest.raises(ValueError, match="'car' is in two"):
        common_classes(["car"], ["car"], {"a": ["car"], "b": ["Car"]})


def test_counts_common_pixels_and_chooses_between_common_classes() -> None:
    torch.manual_seed(0)
    common = common_classes(["a", "b", "c"], ["x", "c", "d"], {"left": ["a", "c"], "b": ["b", "x"]})
    assert (common.of_network, common.of_data) == (((0, 2), (1,)), ((1,), (0,)))
    image, target = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    target[0, 0, :2] = 255
    network = Says().train()
    confusion = evaluate_common(network, [{"image": image, "target": target}], common)
    assert network.training
    expected = torch.zeros(2, 2, dtype=torch.long)
    for b in range(2):
        for i in range(4):
            for j in range(5):
                label = {1: 0, 0: 1}.get(int(target[b, i, j]))
                if label is not None:
                    a, other, c = image[b, :, i, j].exp().tolist()
                    expected[label, int(other > a + c)] += 1
    assert confusion.tolist() == expected.tolist()
