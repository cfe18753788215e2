"""Depth Anything with a tiny network of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from lix.data.x_files import read_description
from lix.tools.depth import build_engine, make_depth
from tests.cli.test_cli import lix
from tests.tools.depth.conftest import one_sentence

KINDS = {"relative": "inverse_depth", "metric": "depth"}


def save_model(folder: Path, kind: str) -> Path:
    backbone = transformers.Dinov2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        out_features=["stage1", "stage2"],
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        reassemble_factors=[2, 1],
        neck_hidden_sizes=[8, 8],
        fusion_hidden_size=8,
        head_in_index=-1,
        head_hidden_size=4,
        depth_estimation_type=kind,
        max_depth=80 if kind == "metric" else 1,
    )
    torch.manual_seed(0)
    network = transformers.DepthAnythingForDepthEstimation(config)
    for values in network.parameters():
        if values.ndim > 1:
            torch.nn.init.normal_(values, std=0.2)
    torch.nn.init.ones_(network.head.conv3.bias)
    network.save_pretrained(folder)
    processor = transformers.DPTImageProcessor(
        size={"height": 28, "width": 56},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / request.param, request.param)


def test_result_is_the_networks_at_the_size_of_the_image(model: Path) -> None:
    engine = build_engine("depth-anything", model=str(model), device="cpu")
    assert engine.files.kind == KINDS[model.name]
    image = np.random.default_rng(0).integers(0, 256, (37, 61, 3), np.uint8)
    x = engine(image)
    assert x.shape == (37, 61)
    assert x.dtype == np.float32

    network = transformers.AutoModelForDepthEstimation.from_pretrained(model).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(model)
    with torch.no_grad():
        expected = network(**processor(image, return_tensors="pt")).predicted_depth
    assert expected.shape[1] % 14 == expected.shape[2] % 14 == 0
    expected = torch.nn.functional.interpolate(expected[None], (37, 61), mode="bilinear")[0, 0]
    assert np.allclose(x, expected, atol=1e-5)
    assert x.std() > 1e-3


def test_command_line_writes_a_folder_of_x(model: Path, pairs: Path) -> None:
    arguments = ("--engine", "depth-anything", "--model", model, "--left", "left/*/*.png")
    assert lix("data", "depth", pairs, *arguments) == 0
    folder = pairs / "x-depth-anything"
    files = read_description(folder / "x.yaml")
    assert files.kind == KINDS[model.name]
    x = files.read(folder / "left/drive/2.png")
    assert x.shape == (1, 6, 8)
    if files.kind == "depth":
        assert 0 < x.min() < x.max() < 80


def test_other_model_does_not_mix(pairs: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_model(tmp_path / name, "relative")
    engines = [build_engine("depth-anything", model=str(tmp_path / name)) for name in ("a", "b")]
    make_depth(pairs, engines[0], left="left/*/*.png")
    with pytest.raises(ValueError, match="other settings") as error:
        make_depth(pairs, engines[1], left="left/*/*.png")
    one_sentence(error)


def test_nothing_is_fetched_unasked(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    name = "depth-anything/no-such-model-hf"
    with pytest.raises(ValueError, match="--download") as error:
        build_engine("depth-anything", model=name)
    one_sentence(error)
    arguments = ("--engine", "depth-anything", "--model", name, "--left", "left/*/*.png")
    assert lix("data", "depth", pairs, *arguments) == 1
    assert "add --download" in capsys.readouterr().err


def test_folders_without_such_a_model_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not hold a depth model") as error:
        build_engine("depth-anything", model=str(tmp_path))
    one_sentence(error)
    with pytest.raises(ValueError, match="needs --model") as error:
        build_engine("depth-anything")
    one_sentence(error)
