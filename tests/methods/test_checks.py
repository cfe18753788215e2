"""Wrong shapes, types and labels: one sentence, from the functions and at the methods' door."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from lix.methods import cwkd_loss, dist_loss, dkd_loss, dwld_loss, kd_loss, wsld_loss
from tests.methods.test_fused import K, draw, labels

WITH_LABELS = {
    "dkd": dkd_loss,
    "wsld": wsld_loss,
    "dwld": lambda s, t, y, **options: dwld_loss(s, t, y, 2.0, **options),
}


@pytest.mark.parametrize("label", [-1, K, 300])
@pytest.mark.parametrize("name", WITH_LABELS)
def test_label_out_of_range_is_named(name: str, label: int) -> None:
    z = draw(2, K, 3, 5)
    target = labels(z, ignored=True)
    target[1, 1, 1] = label
    with pytest.raises(ValueError, match=rf"\[0, {K}\).*255.*got {label}\."):
        WITH_LABELS[name](z, z, target)


@pytest.mark.parametrize("name", WITH_LABELS)
def test_another_ignore_index(name: str) -> None:
    zs, zt = draw(2, K, 3, 5), draw(2, K, 3, 5)
    target = labels(zs, ignored=True)
    expected = WITH_LABELS[name](zs, zt, target)
    other = target.where(target != 255, -1)
    torch.testing.assert_close(WITH_LABELS[name](zs, zt, other, ignore_index=-1), expected)
    with pytest.raises(ValueError, match=r"-1 \(ignored\), got 255"):
        WITH_LABELS[name](zs, zt, target, ignore_index=-1)


def mismatches() -> Iterator[object]:
    z, target, valid = torch.zeros(2, K, 3, 5), torch.zeros(2, 3, 5).long(), torch.ones(2, 3, 5) > 0
    unlike = [z[:, 1:], z[:, :, 1:], z[1:], z[:, :, 0], z[0, 0, 0]]
    for name, loss in (("kd", kd_loss), ("cwkd", cwkd_loss), ("dist", dist_loss)):
        for wrong in unlike:
            yield pytest.param(lambda f=loss, w=wrong: f(z, w), id=f"{name} {tuple(wrong.shape)}")
        for wrong in (valid[:, 1:], valid[0], valid.unsqueeze(1)):
            yield pytest.param(
                lambda f=loss, w=wrong: f(z, z, valid=w), id=f"{name} valid {tuple(wrong.shape)}"
            )
    for name, loss in WITH_LABELS.items():
        for wrong in unlike:
            yield pytest.param(
                lambda f=loss, w=wrong: f(z, w, target), id=f"{name} {tuple(wrong.shape)}"
            )
        for wrong in (target[:, 1:], target[0], target.unsqueeze(1), target.flatten()):
            yield pytest.param(
                lambda f=loss, w=wrong: f(z, z, w), id=f"{name} target {tuple(wrong.shape)}"
            )
    longer = torch.zeros(3, K, 3, 5)
    for wrong in (z[:, :, 0, 0], z[:, :, :1, :1], z[:1], z[:, 1:], z[:, :, 1:], longer, z[0, 0, 0]):
        yield pytest.param(
            lambda w=wrong: dwld_loss(z, z, target, w), id=f"dwld beta {tuple(wrong.shape)}"
        )


@pytest.mark.parametrize("call", list(mismatches()))
def test_wrong_shapes_are_one_sentence(call: Callable[[], Tensor]) -> None:
    with pytest.raises(ValueError, match=r"must have .*shape.*, got [^.]*\.$") as caught:
        call()
    assert not re.search(r"\.\s|\n", str(caught.value))
