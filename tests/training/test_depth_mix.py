"""DepthMix: whose pixels are seen, with X, label and validity of the same frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from lix.training.build import build
from lix.training.depth_mix import depth_mix
from tests.training.test_fit import recipe


def frames(count: int) -> dict[str, Any]:
    """Each frame's pixels hold its number; its nearness is random."""
    numbers = torch.arange(count).view(-1, 1, 1)
    return {
        "image": numbers.float().view(-1, 1, 1, 1).expand(-1, 3, 4, 6),
        "x": torch.cat([torch.rand(count, 1, 4, 6), numbers.expand(-1, 4, 6).unsqueeze(1)], dim=1),
        "target": numbers.expand(-1, 4, 6),
        "valid": (numbers % 2 == 0).expand(-1, 4, 6),
        "id": [str(n) for n in range(count)],
    }


def test_the_nearer_pixel_wins_in_all_parts() -> None:
    batch = frames(5)
    mixed = depth_mix(batch, 1.0)
    target = mixed["target"]
    for part in (mixed["image"][:, 0], mixed["image"][:, 2], mixed["x"][:, 1]):
        assert torch.equal(part.long(), target)
    assert torch.equal(mixed["valid"], target % 2 == 0)
    for own, seen in enumerate(target):
        other = {int(n) for n in seen.unique()} - {own}
        assert len(other) == 1
        nearness = batch["x"][[own, *other], 0]
        assert torch.equal(mixed["x"][own, 0], nearness.amax(dim=0))
    assert mixed["id"] == batch["id"]


def test_some_frames_stay_as_they_are() -> None:
    torch.manual_seed(0)
    alone = frames(1)
    assert depth_mix(alone, 1.0) is alone
    changed = [
        (depth_mix(frames(8), 0.25)["target"] != frames(8)["target"]).flatten(1).any(dim=1)
        for _ in range(100)
    ]
    assert torch.stack(changed).float().mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_training_step_mixes(streets: Path, tmp_path: Path, role: str) -> None:
    quiet = Console(quiet=True)
    mixing = recipe(streets, tmp_path / "run", role=role, augment={"depth_mix": 1.0})
    module, batches = build(mixing, quiet)
    assert batches.x_in_training
    seen: list[dict[str, Any]] = []
    module.losses = lambda batch: seen.append(batch) or {"hard": torch.zeros(())}  # type: ignore[assignment,method-assign,func-returns-value]
    module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    batch = next(iter(batches.train_dataloader()))
    module.training_step(batch, 0)
    assert (seen[0]["image"] != batch["image"]).any()


def test_without_depth_it_is_refused(streets: Path, tmp_path: Path) -> None:
    mixing = recipe(
        streets, tmp_path / "run", augment={"depth_mix": 0.5}, data={"root": streets, "x": "normal"}
    )
    with pytest.raises(
        ValueError, match=r"depth_mix needs depth or disparity .* depth with normal"
    ):
        build(mixing, Console(quiet=True))
