"""Pictures of really trained students: what is drawn is what the networks say."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lix.evaluation.pictures import heat
from lix.study.definition import Pictures, Study
from lix.study.pictures import Gallery, draw
from lix.study.plots import write_figures
from lix.study.records import Record
from lix.study.results import load_results

SIZE = (32, 48)
"""Height and width of the frames of `real_study`."""


@pytest.fixture
def runs(real_study: Study, real_output: Path) -> dict[str, Record]:
    found = load_results(real_study, real_output).runs
    return {f.planned.method: f.record for f in found if f.planned.data == "town"}


def pictures(figure: object) -> dict[str, list[np.ndarray]]:
    """Column title → pictures from top to bottom."""
    sheet = np.asarray(figure.axes[0].images[0].get_array())
    titles = [text.get_text() for text in figure.axes[0].texts]
    (height, width), gap = SIZE, 1
    rows = range(0, len(sheet), height + gap)
    return {
        title: [sheet[top : top + height, left : left + width] for top in rows]
        for title, left in zip(titles, range(0, sheet.shape[1], width + gap), strict=True)
    }


def test_predictions_are_the_networks(runs: dict[str, Record]) -> None:
    found = pictures(draw(Pictures(kind="predictions", frames=2), runs))
    assert list(found) == ["RGB", "depth", "truth", "teacher", "none", "LIX"]
    gallery = Gallery(runs)
    frame = gallery.frame(1)
    with torch.inference_mode():
        logits = gallery.networks["LIX"](frame.image[None]).logits[0]
    assert (found["LIX"][1] == gallery.palette[logits.argmax(0)]).all()
    assert (found["truth"][1] == gallery.palette[frame.target.clamp(max=14)]).all()


def test_probability_is_of_the_class_where_it_is_most_seen(runs: dict[str, Record]) -> None:
    shown = Pictures(kind="probability", of="Sky", methods=("none",), frames=1)
    found = pictures(draw(shown, runs))
    gallery = Gallery({"none": runs["none"]})
    place = gallery.dataset.classes.index("Sky")
    frames = [gallery.frame(i) for i in range(2)]
    most = max(frames, key=lambda f: int((f.target == place).sum()))
    expected = heat(most.logits(gallery.networks["none"]).softmax(0)[place].numpy())
    assert (found["none"][0] == expected).all()
    with pytest.raises(ValueError, match="Unknown class 'Skye'"):
        draw(Pictures(kind="probability", of="Skye"), runs)


def test_worst_frames_show_where_networks_are_wrong(runs: dict[str, Record]) -> None:
    found = pictures(draw(Pictures(kind="worst", methods=("none", "LIX"), frames=1), runs))
    assert list(found)[3:] == ["none", "none: errors", "LIX", "LIX: errors"]
    wrong = (found["LIX"][0] != found["truth"][0]).any(axis=-1)
    labelled = (found["truth"][0] != 0).any(axis=-1)
    assert (found["LIX: errors"][0].max(axis=-1) > 100).sum() == (wrong & labelled).sum()


def test_maps_are_of_the_logits(runs: dict[str, Record]) -> None:
    found = pictures(draw(Pictures(kind="maps", methods=("none", "LIX"), frames=1), runs))
    assert list(found) == ["RGB", "LIX: KL(T‖S)", "LIX: β of the label", "LIX: c"]
    gallery = Gallery({"LIX": runs["LIX"]})
    p = gallery.frame(0).logits(gallery.networks["LIX"]).softmax(0)
    entropy = -(p * p.log()).sum(0) / math.log(len(p))
    assert (found["LIX: c"][0] == heat(entropy.clamp(0, 1).numpy())).mean() > 0.99
    with pytest.raises(ValueError, match="learns from a teacher"):
        draw(Pictures(kind="maps", methods=("none",)), runs)


def test_missing_weights_are_named(runs: dict[str, Record], tmp_path: Path) -> None:
    moved = runs | {"LIX": replace(runs["LIX"], folder=tmp_path)}
    with pytest.raises(ValueError, match="need checkpoints of LIX, which are not here"):
        draw(Pictures(kind="predictions"), moved)


def test_figures_of_a_study_hold_its_pictures(
    real_study: Study, real_output: Path, tmp_path: Path
) -> None:
    shown = real_study.model_copy(update={"pictures": (Pictures(kind="predictions", frames=1),)})
    names = {f.name for f in write_figures(load_results(shown, real_output), tmp_path)}
    assert {"town-mfnet-predictions-1.png", "highway-mfnet-predictions-1.svg"} <= names
