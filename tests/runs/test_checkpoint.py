"""Loading a trained network: whole, damaged, foreign."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lix import load_network
from lix.deploy.backends.torch import Torch
from lix.runs.checkpoint import CHECKSUM, NetworkSpec, read_stored
from lix.training.checkpoint_io import WholeCheckpoints

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
    with pytest.raises(ValueError, match="damaged or not a checkpoint of lix") as error:
        load_network(path)
    assert "\n" not in str(error.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    save(path)
    stored = torch.load(path)
    stored["state_dict"].popitem()
    torch.save(stored, path)
    with pytest.raises(ValueError, match="damaged or not a checkpoint of lix"):
        load_network(path)


def write_as_training(path: Path) -> None:
    """A checkpoint as a training writes it."""
    save(path)
    stored = torch.load(path) | {"loops": {}}
    path.unlink()
    WholeCheckpoints().save_checkpoint(stored, path)


def write_as_export(path: Path) -> None:
    write_as_training(path.with_suffix(".ckpt"))
    Torch().write(path.with_suffix(".ckpt"), path)


FORMATS = {"a.ckpt": write_as_training, "a.safetensors": write_as_export}


@pytest.mark.parametrize(("name", "write"), FORMATS.items())
def test_no_flipped_bit_of_a_weight_or_class_is_used(
    tmp_path: Path, name: str, write: Callable[[Path], object]
) -> None:
    path = tmp_path / name
    write(path)
    load_network(path)
    assert read_stored(path).checksum is not None
    whole = path.read_bytes()
    weights = read_stored(path).weights[_largest(path)]
    places = [whole.index(weights.numpy().tobytes()) + 10, whole.index(b"road") + 1]
    for place in places:
        for bit in range(8):
            content = bytearray(whole)
            content[place] ^= 1 << bit
            path.write_bytes(content)
            with pytest.raises(ValueError, match=f"{name} is damaged or not a checkpoint of lix"):
                load_network(path)


def _largest(path: Path) -> str:
    weights = read_stored(path).weights
    return max(weights, key=lambda name: weights[name].numel())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("which", ["weight", "running_var"])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float, which: str) -> None:
    path = tmp_path / "a.ckpt"
    save(path)
    stored = torch.load(path)
    assert CHECKSUM not in stored, "it is another tool's file"
    name = next(name for name in stored["state_dict"] if name.endswith(which))
    stored["state_dict"][name].view(-1)[0] = value
    torch.save(stored, path)
    with pytest.raises(ValueError, match=f"{name.removeprefix('network.')} are NaN or infinite"):
        load_network(path)


WRONG: list[dict[str, Any]] = [
    {"classes": "ab"},
    {"classes": [1, 2]},
    {"classes": ["c"] * 1000},
    {"classes": ["road"]},
    {"palette": [(1, 2, 3)]},
    {"palette": [(999, -2, 3)] * 2},
    {"size": [0, 0]},
    {"size": [10**6, 10**6]},
    {"size": [48]},
    {"size": "ab"},
    {"size": [48.5, 160.0]},
    {"name": None},
    {"name": ["mfnet"]},
    {"name": "../x"},
    {"options": [1]},
    {"options": None},
    {"options": {1: 2}},
    {"options": {"base": 10**9}},
    {"x_channels": -1},
    {"x_channels": 10**9},
    {"nonsense": 1},
]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_a_wrong_description_is_one_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "a.ckpt"
    save(path)
    stored = torch.load(path)
    stored["lix"] |= change
    torch.save(stored, path)
    with pytest.raises(ValueError, match=str(path)) as error:
        load_network(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "facts",
    [None, "", "{", "7", "null", "[1]", "[" * 100_000, *(SPEC.as_dict() | c for c in WRONG)],
    ids=lambda facts: str(facts)[:9],
)
def test_wrong_metadata_of_safetensors_are_one_sentence(tmp_path: Path, facts: object) -> None:
    path = tmp_path / "a.safetensors"
    text = json.dumps(facts) if isinstance(facts, dict) else facts
    save_file({"a": torch.zeros(1)}, path, None if text is None else {"lix": str(text)})
    with pytest.raises(ValueError, match=str(path)) as error:
        load_network(path)
    assert "\n" not in str(error.value)


def test_a_header_of_wrong_types_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for header in (b'{"__metadata__": {"lix": 3}}', b'{"__metadata__": []}', b"[]", b'{"a": 7}'):
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(ValueError, match="damaged or not a checkpoint of lix"):
            load_network(path)


@pytest.mark.parametrize("stored", [[1], {"lix": [1], "state_dict": {}}, {"lix": {}}, 7], ids=str)
def test_other_contents_are_one_sentence(tmp_path: Path, stored: object) -> None:
    torch.save(stored, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="damaged or not a checkpoint of lix"):
        load_network(tmp_path / "a.ckpt")
