"""The presets carry the published constants."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lix.core.registry import entries
from lix.methods import (
    Method,
    build_method,
)
from tests.methods.feature_maps import FEATURE_METHODS, K, pair

OFFICIAL: list[tuple[str, str, dict[str, object]]] = [
    ("kd", "mdistiller-cifar", {"weight": 0.9, "hard_weight": 0.1, "temperature": 4.0}),
    ("kd", "mdistiller-imagenet", {"weight": 0.5, "hard_weight": 0.5, "temperature": 1.0}),
    ("kd", "cirkd", {"weight": 1.0, "hard_weight": 1.0, "temperature": 1.0}),
    ("cwkd", "official", {"weight": 3.0, "temperature": 4.0}),
    ("dkd", "official-cifar", {"alpha": 1, "beta": 8, "temperature": 4, "warmup_epochs": 20}),
    ("dkd", "official-imagenet", {"alpha": 1, "beta": 0.5, "temperature": 1, "warmup_epochs": 1}),
    ("dkd", "official-detection", {"alpha": 1, "beta": 0.25, "temperature": 1, "weight": 1}),
    ("dist", "official", {"weight": 1, "inter_weight": 1, "intra_weight": 1, "temperature": 1}),
    ("dist", "official-imagenet", {"weight": 2, "temperature": 1}),
    ("wsld", "official-imagenet", {"weight": 2.5, "temperature": 2}),
    ("wsld", "official-cifar", {"weight": 2.25, "temperature": 4}),
    ("at", "official", {"weight": 1000, "p": 2, "size_free": False}),
    ("at", "cirkd", {"weight": 10000, "p": 2, "size_free": False}),
    ("fitnet", "repdistiller", {"weight": 100}),
    ("fitnet", "cirkd", {"weight": 10}),
    ("ft", "official", {"weight": 500, "size_free": False, "passes": 6, "lr": 0.1}),
    ("nst", "official", {"weight": 50}),
    ("rkd", "official", {"weight": 1, "distance_weight": 1, "angle_weight": 2}),
    ("rkd", "mdistiller", {"weight": 1, "distance_weight": 25, "angle_weight": 50}),
    ("sp", "repdistiller", {"weight": 3000}),
    ("vid", "repdistiller", {"weight": 1}),
    ("maskd", "official", {"weight": 1, "lr": 0.1}),
    ("diffkd", "official", {"weight": 1}),
    ("pad", "torchdistill", {"weight": 1, "warmup_epochs": 10}),
    *(
        (
            "afdcd",
            f"official-{data}",
            {
                "fd_weight": fd,
                "contrast_weight": contrast,
                "kd_weight": kd,
                "temperature": 0.07,
                "groups": [16],
                "patch": 4,
                "pool": pool,
                "mask_ratio": 0.75,
                "size_free": False,
            },
        )
        for data, fd, contrast, kd, pool in (
            ("cityscapes", 2e-6, 5e-3, 1.0, 4),
            ("camvid", 8e-6, 1e-2, 1.0, 1),
            ("voc", 1e-6, 5e-3, 1.0, 4),
            ("ade", 1e-6, 4e-2, 0.5, 4),
            ("coco-stuff", 5e-6, 5e-3, 0.5, 4),
        )
    ),
]


def official(name: str, preset: str) -> Method:
    pairs = [pair(6, 64)] if name in FEATURE_METHODS else []
    return build_method(name, pairs, K, preset=preset)


@pytest.mark.parametrize(("name", "preset", "constants"), OFFICIAL)
def test_presets_carry_the_published_constants(
    name: str, preset: str, constants: dict[str, object]
) -> None:
    method = official(name, preset)
    assert {key: getattr(method, key) for key in constants} == constants


def test_the_table_of_constants_leaves_no_preset_out() -> None:
    ours = {(name, p) for name, e in entries("methods").items() for p in e.load().presets}
    papers = {("dwld", "paper"), ("arfd", "paper"), ("lix", "paper")}
    assert ours - papers == {(name, preset) for name, preset, _ in OFFICIAL}


def test_presets_build_parts_of_the_published_size() -> None:
    assert official("maskd", "official").tokens.weight.shape == (8, K)
    assert official("diffkd", "official").diffusions[0].encoder.out_channels == 1024
    assert official("ft", "official").translators[0][4].out_channels == 32
    variances = F.softplus(official("vid", "repdistiller").heads[0].log_scale) + 1e-5
    torch.testing.assert_close(variances, torch.full((64,), 5.0))
