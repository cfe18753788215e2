"""Descriptions of ONNX models: what is wrong in them is one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lix.tools.depth.onnx_description import OnnxDescription, read_onnx_description
from tests.tools.depth.conftest import one_sentence
from tests.tools.depth.graphs import INVERSE, channel, describe, image, run

DISPARITY = {"means": "disparity"}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({}, "output"),
        ({"output": {"means": "distance"}}, "output.means"),
        ({"output": INVERSE, "sise": [1, 2]}, "sise"),
        ({"output": INVERSE, "size": [1, 2], "divisor": 8}, "not both"),
        ({"output": INVERSE, "inputs": ["right"]}, "no input sees the left"),
        ({"output": DISPARITY}, "right image"),
        ({"output": INVERSE, "inputs": []}, "inputs"),
        ({"output": INVERSE, "inputs": ["middle"]}, "inputs"),
        ({"output": INVERSE, "inputs": ["left", "left"]}, "correct `inputs`"),
        ({"output": INVERSE, "inputs": {"picture": "left"}}, "correct `inputs`"),
        ({"output": {**INVERSE, "name": "depth"}}, "correct `output.name`"),
        ({"output": {**INVERSE, "name": 1}}, "correct `output.name`"),
        ({"output": {**INVERSE, "channel": 4}}, "no channel 4"),
        ({"output": INVERSE, "pixels": {"scale": "1/0"}}, "1/0 is not a fraction"),
        ({"output": INVERSE, "pixels": {"std": [1, 0, 1]}}, "std"),
        ({"output": INVERSE, "model": "other.onnx"}, "is missing"),
        ({"output": INVERSE, "model": "model.yaml"}, "model.yaml cannot be used"),
    ],
)
def test_wrong_descriptions_are_one_sentence(
    tmp_path: Path, entries: dict[str, Any], words: str
) -> None:
    channel(tmp_path)
    path = describe(tmp_path, **entries)
    with pytest.raises(ValueError, match=words) as error:
        run(path, image())
    one_sentence(error)


def test_descriptions_that_are_no_yaml_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    for text, words in [("a: [", "not valid YAML"), ("- a", "file"), (None, "is missing")]:
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        with pytest.raises(ValueError, match=words) as error:
            read_onnx_description(path)
        one_sentence(error)


def test_example_describes_crestereo() -> None:
    path = Path(__file__).parents[3] / "recipes" / "crestereo-onnx.yaml"
    description = OnnxDescription.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert [(v.view, v.shrink) for v in description.views] == [
        *(("left", 2), ("right", 2)),
        *(("left", 1), ("right", 1)),
    ]
    assert (description.output.means, description.size) == ("disparity", (480, 640))
