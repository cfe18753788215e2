"""Networks that a user's own function builds, as `--network.name module:function`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from lix import build_network, load_network
from lix.deploy.backend import backend
from lix.runs.checkpoint import NetworkSpec

CODE = """
import lix
from torch import nn

class Tied(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.a = nn.Conv2d(channels, classes, 1)
        self.b = self.a

    def forward(self, image, x=None):
        return self.b(image)

def build(num_classes, x_channels):
    return lix.wrap(Tied(3, num_classes))

def bare(num_classes, x_channels):
    return Tied(3, num_classes)

def more(num_classes, x_channels):
    return lix.wrap(Tied(3, num_classes + 2))
"""


@pytest.fixture(autouse=True)
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_nets.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("LIX_ALLOW_CODE", "1")
    monkeypatch.delitem(sys.modules, "own_nets", raising=False)


@pytest.mark.parametrize(
    ("name", "x_channels", "options", "message"),
    [
        ("own_nets:build", 1, {}, "'x_channels': 0.*asked for .*'x_channels': 1"),
        ("own_nets:more", 0, {}, "'num_classes': 5.*asked for .*'num_classes': 3"),
        ("own_nets:bare", 0, {}, r"returned a Tied .*return lix\.wrap"),
        ("own_nets:build", 0, {"width": 3}, "for the options .*'width'"),
    ],
)
def test_what_is_not_asked_for_is_refused(
    name: str, x_channels: int, options: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_network(name, 3, x_channels, **options)


def saved(folder: Path) -> Path:
    spec = NetworkSpec("own_nets:build", ("a", "b"), ((1, 2, 3), (4, 5, 6)), (32, 48))
    weights = {f"network.{k}": v for k, v in spec.build().state_dict().items()}
    torch.save({"lix": spec.as_dict(), "state_dict": weights}, folder / "own.ckpt")
    return folder / "own.ckpt"


def test_a_missing_permission_is_not_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved(tmp_path)
    monkeypatch.delenv("LIX_ALLOW_CODE")
    with pytest.raises(ValueError, match="run again with --allow-code") as error:
        load_network(file)
    assert "damaged" not in str(error.value)


def test_tied_weights_are_exported(tmp_path: Path) -> None:
    file = saved(tmp_path)
    backend("torch").write(file, tmp_path / "own.safetensors")
    network, _ = load_network(tmp_path / "own.safetensors")
    image = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(network(image).logits, load_network(file)[0](image).logits)


@pytest.mark.parametrize(("classes", "x_channels"), [(0, 0), (3, -1)])
def test_impossible_numbers_are_one_sentence(classes: int, x_channels: int) -> None:
    with pytest.raises(ValueError, match="at least one class"):
        build_network("mfnet", classes, x_channels)
