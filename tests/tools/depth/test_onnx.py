"""ONNX models with known outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lix.data.x_files import read_description
from lix.tools.depth import build_engine, make_depth
from tests.cli.test_cli import lix
from tests.tools.depth.conftest import one_sentence, write
from tests.tools.depth.graphs import INVERSE, channel, describe, export, image, node, onnx, run


@pytest.mark.parametrize(
    ("order", "which", "source"), [("rgb", 0, 0), ("rgb", 2, 2), ("bgr", 0, 2)]
)
def test_pixels_are_normalised(tmp_path: Path, order: str, which: int, source: int) -> None:
    channel(tmp_path, which)
    pixels = {"order": order, "scale": "1/255", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
    x = run(describe(tmp_path, pixels=pixels, output=INVERSE), image())
    mean, std = pixels["mean"][which], pixels["std"][which]
    assert np.allclose(x, (image()[..., source] / 255 - mean) / std, atol=1e-5)


def test_channels_last_in_and_out(tmp_path: Path) -> None:
    nodes = [node("Identity", "image")]
    export(tmp_path, nodes, shape=("n", "h", "w", 3))
    output = {**INVERSE, "channel": 1}
    path = describe(tmp_path, pixels={"layout": "nhwc", "scale": 1}, output=output)
    assert (run(path, image()) == image()[..., 1]).all()


@pytest.mark.parametrize("kind", ["FLOAT16", "UINT8", "DOUBLE"])
def test_inputs_of_other_types(tmp_path: Path, kind: str) -> None:
    nodes = [node("Cast", "image", to=onnx.TensorProto.FLOAT)]
    export(tmp_path, nodes, kind=getattr(onnx.TensorProto, kind))
    path = describe(tmp_path, pixels={"scale": 1}, output={**INVERSE, "scale": 0.5})
    assert (run(path, image()) == image()[..., 0] / 2).all()


def test_resized_image_and_result(tmp_path: Path) -> None:
    channel(tmp_path)
    path = describe(tmp_path, size=[2, 3], pixels={"scale": 1}, output=INVERSE)
    flat = np.full((8, 12, 3), 40, np.uint8)
    flat[:, 6:] = 200
    x = run(path, flat)
    assert x.shape == (8, 12)
    assert np.allclose(x[:, 0], 40)
    assert np.allclose(x[:, -1], 200)
    assert (np.diff(x, axis=1) > -1e-3).all()


def stereo(folder: Path, **constants: Any) -> None:
    """Left minus right, red, plus 8."""
    chosen = np.float32([1, 0, 0]).reshape(1, 3, 1, 1)
    nodes = [
        node("Sub", "left right", "difference"),
        node("Conv", "difference chosen", "red"),
        node("Add", "red eight"),
    ]
    eight = np.float32(8)
    export(folder, nodes, ("left", "right"), chosen=chosen, eight=eight, **constants)


DISPARITY = {"means": "disparity"}


@pytest.mark.parametrize("inputs", [["left", "right"], {"right": "right", "left": "left"}])
def test_disparity_grows_with_the_width(tmp_path: Path, inputs: Any) -> None:
    stereo(tmp_path)
    pair = np.full((5, 12, 3), 9, np.uint8), np.full((5, 12, 3), 7, np.uint8)
    for extra, expected in [({"size": [5, 6]}, 20), ({"size": [10, 12]}, 10), ({}, 10)]:
        path = describe(tmp_path, inputs=inputs, pixels={"scale": 1}, output=DISPARITY, **extra)
        x = run(path, *pair)
        assert x.shape == (5, 12)
        assert np.allclose(x, expected)


def test_swapped_inputs_swap_the_views(tmp_path: Path) -> None:
    stereo(tmp_path)
    pair = np.full((4, 6, 3), 9, np.uint8), np.full((4, 6, 3), 7, np.uint8)
    swapped = ["right", "left"]
    path = describe(tmp_path, inputs=swapped, pixels={"scale": 1}, output=DISPARITY)
    assert np.allclose(run(path, *pair), 6)


def test_padding_to_a_divisor_is_cut_off_again(tmp_path: Path) -> None:
    half = node("AveragePool", "image", "half", kernel_shape=[4, 4], strides=[4, 4])
    chosen = np.float32([1, 0, 0]).reshape(1, 3, 1, 1)
    export(tmp_path, [half, node("Conv", "half chosen")], chosen=chosen)
    path = describe(tmp_path, divisor=8, pixels={"scale": 1}, output=INVERSE)
    x = run(path, np.full((9, 13, 3), 30, np.uint8))
    assert x.shape == (9, 13)
    assert np.allclose(x, 30)


def test_size_of_the_model_is_the_default(tmp_path: Path) -> None:
    export(tmp_path, [node("Identity", "image")], shape=(1, 3, 2, 4))
    path = describe(tmp_path, pixels={"scale": 1}, output=INVERSE)
    assert run(path, image(6, 8)).shape == (6, 8)
    with pytest.raises(ValueError, match="correct size or divisor") as error:
        run(describe(tmp_path, size=[4, 4], output=INVERSE), image())
    one_sentence(error)


def test_shrunk_inputs(tmp_path: Path) -> None:
    inputs = [{"view": "left", "shrink": 2}, "left"]
    nodes = [node("MaxPool", "large", "half", kernel_shape=[2, 2], strides=[2, 2])]
    export(tmp_path, [*nodes, node("Sub", "half small")], ("small", "large"))
    path = describe(tmp_path, inputs=inputs, pixels={"scale": 1}, output=INVERSE)
    assert np.allclose(run(path, np.full((4, 8, 3), 50, np.uint8)), 0)


def test_what_is_not_finite_is_invalid(tmp_path: Path) -> None:
    chosen = np.float32([1, 0, 0]).reshape(1, 3, 1, 1)
    export(tmp_path, [node("Conv", "image chosen", "red"), node("Log", "red")], chosen=chosen)
    black = image()
    black[0, 0] = 0
    path = describe(tmp_path, pixels={"scale": 1}, output={"means": "depth"})
    x = run(path, black)
    assert np.isnan(x).sum() == np.isnan(x[0, 0]) == 1


@pytest.mark.parametrize("means", ["disparity", "inverse_depth", "depth"])
def test_folder_says_what_the_model_means(pairs: Path, tmp_path: Path, means: str) -> None:
    stereo(tmp_path)
    described = {"pixels": {"scale": 1}, "output": {"means": means, "scale": 2}}
    path = describe(tmp_path, inputs=["left", "right"], size=[3, 4], **described)
    sides = {"left": "left/*/*.png", "right": "right/*/*.png"}
    made = make_depth(pairs, build_engine("onnx", model=path), **sides)
    files = read_description(made.folder / "x.yaml")
    values = files.read(made.folder / "left/drive/1.png").numpy()
    expected = {"disparity": 32.0, "depth": 16.0, "inverse_depth": 0.0}
    assert np.allclose(values, expected[means])
    described["output"]["scale"] = 1
    path = describe(tmp_path, inputs=["left", "right"], size=[3, 4], **described)
    with pytest.raises(ValueError, match=r"other settings \(description\)") as error:
        make_depth(pairs, build_engine("onnx", model=path), **sides)
    one_sentence(error)


def test_command_line_with_one_image(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channel(pairs)
    path = describe(pairs, output=INVERSE)
    write(pairs / "left/drive/4.png", 1, size=(7, 5))
    arguments = ("--engine", "onnx", "--model", path, "--left", "left/*/*.png")
    assert lix("data", "depth", pairs, *arguments) == 0
    assert "4 files written" in capsys.readouterr().out


def test_weights_in_another_file_are_refused(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    channel(pairs)
    model = onnx.load(pairs / "m.onnx")
    onnx.save(model, pairs / "m.onnx", save_as_external_data=True, location="w", size_threshold=0)
    assert (pairs / "w").stat().st_size == 12
    arguments = ("--model", describe(pairs, output=INVERSE), "--left", "left/*/*.png")
    assert lix("data", "depth", pairs, "--engine", "onnx", *arguments) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"lix: {pairs / 'm.onnx'} cannot be used (its weights are in another")
    assert not list(pairs.rglob("x.yaml"))


def test_models_of_other_inputs_are_one_sentence(tmp_path: Path) -> None:
    export(tmp_path, [node("Identity", "image")], shape=("n", 3))
    with pytest.raises(ValueError, match="not a batch of images") as error:
        run(describe(tmp_path, output=INVERSE), image())
    one_sentence(error)
