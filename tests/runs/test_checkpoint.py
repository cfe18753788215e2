"""Loading a trained network: whole, damaged, foreign."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lix import load_network
from lix.runs.checkpoint import NetworkSpec

SPEC = NetworkSpec("mfnet", ("road", "car"), ((1, 2, 3), (4, 5, 6)), (32, 48), options={})


def save(path: Path, spec: NetworkSpec = SPEC) -> torch.nn.Module:
    network = spec.build().eval()
    weights = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save({"lix": spec.as_dict(), "state_dict": weights}, path)
    return network


def test_loads_network_and_spec(tmp_path: Path) -> None:
    saved = save(tmp_path / "a.ckpt")
    network, spec = load_network(tmp_path / "a.ckpt")
    image = torch.rand(1, 3, 32, 48)
    assert spec == SPEC
    torch.testing.assert_close(network(image).logits, saved(image).logits)
    assert not network.training


def test_keeps_the_range_of_x_and_reads_checkpoints_without_one(tmp_path: Path) -> None:
    spec = replace(SPEC, x_kind="depth", x_channels=1, x_spans=((0.4, 0.9), None))
    save(tmp_path / "a.ckpt", spec)
    assert load_network(tmp_path / "a.ckpt")[1] == spec
    assert NetworkSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec
    stored = torch.load(tmp_path / "a.ckpt")
    del stored["lix"]["x_spans"]
    torch.save(stored, tmp_path / "old.ckpt")
    assert load_network(tmp_path / "old.ckpt")[1] == replace(spec, x_spans=())


def test_loads_the_best_checkpoint_of_a_run_folder(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    save(tmp_path / "checkpoints" / "best.ckpt")
    assert load_network(tmp_path)[1] == SPEC


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is missing; name a run folder"):
        load_network(tmp_path)


@pytest.mark.parametrize("content", ["truncated", "foreign", "empty", "text"])
def test_damaged_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.ckpt"
    save(path)
    if content == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif content == "foreign":
        torch.save({"model": torch.zeros(3)}, path)
    else:
        path.write_bytes(b"" if content == "empty" else b"hello world")
    with pytest.raises(ValueError, match="damaged or no checkpoint of lix") as error:
        load_network(path)
    assert "\n" not in str(error.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    save(path)
    stored = torch.load(path)
    stored["state_dict"].popitem()
    torch.save(stored, path)
    with pytest.raises(ValueError, match="damaged or no checkpoint of lix"):
        load_network(path)
