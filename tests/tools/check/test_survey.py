"""Every frame is counted once, whatever is wrong with some of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lix.data.modalities import Depth, Normal
from lix.tools.check.frame import SAMPLE, x_facts
from lix.tools.check.quantiles import Quantiles
from lix.tools.check.run import examine
from lix.tools.check.statistics import XStatistics
from lix.tools.check.survey import Survey
from tests.tools.conftest import FRAMES, HEIGHT, WIDTH, Make, Parts, clean


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).uniform(0.1, 80, 9999),
        np.random.default_rng(1).normal(0, 1e-3, 9999),
        -np.random.default_rng(2).exponential(1e6, 9999),
        np.zeros(3),
        np.array([7.0]),
    ],
    ids=["depth", "signed", "negative", "zeros", "one"],
)
def test_quantiles_are_those_of_all_values(values: NDArray[np.float64]) -> None:
    quantiles = Quantiles()
    for part in np.array_split(values.astype(np.float32), 3):
        quantiles.add(part)
    shares = [0.01, 0.25, 0.5, 0.99]
    expected = np.quantile(values, shares, method="inverted_cdf")
    np.testing.assert_allclose(quantiles.at(shares), expected, rtol=0.004, atol=1e-12)
    limit = float(np.quantile(values, 0.9))
    share = quantiles.share_above(limit * (1.01 if limit > 0 else 0.99))
    assert share == pytest.approx((values > limit).mean(), abs=0.02)


def test_quantiles_of_nothing_are_unknown() -> None:
    assert np.isnan(Quantiles().at([0.5])).all()
    assert np.isnan(Quantiles().share_above(1.0))
    assert np.isnan(XStatistics("depth", 1).percentiles(50)).all()


def test_facts_of_x_are_of_all_its_pixels() -> None:
    values = np.linspace(40, 2, 400)[:, None] + np.zeros((400, 600))
    values[:40] = np.nan
    values[200, 300] = 99
    facts = x_facts("depth", Depth(values[None].astype(np.float32)))
    assert (facts.pixels, facts.valid) == (240_000, 216_000)
    assert (facts.low, facts.high) == (2, 99)
    assert 0.4 * SAMPLE < len(facts.sample) < 2 * SAMPLE
    assert facts.bottom_ratio == pytest.approx(
        np.median(values[300:]) / np.median(values[150:250]), rel=0.01
    )


def test_of_normals_the_lengths_are_kept() -> None:
    facts = x_facts("normal", Normal([[[0.6, 0.0]], [[0.0, 0.0]], [[-0.8, float("nan")]]]))
    assert (facts.valid, facts.low) == (1, pytest.approx(-0.8))
    np.testing.assert_allclose(facts.sample, [1.0])
    assert np.isnan(facts.bottom_ratio)


def counts(survey: Survey, split: str) -> tuple[int, ...]:
    tally = survey.splits[split]
    return tally.read, tally.images, tally.labels, *(x.files for x in tally.x)


def test_counts_and_shares(make: Make) -> None:
    survey, _ = examine(make())
    train = survey.splits["train"]
    assert {name: split.frames for name, split in survey.splits.items()} == FRAMES
    assert counts(survey, "train") == (5, 5, 5, 5)
    assert train.sizes == {(HEIGHT, WIDTH): 5}
    assert train.sequences == {"traina": 3, "trainb": 2}
    assert [train.share(i) for i in range(3)] == pytest.approx([1 / 3] * 3)
    assert [train.share(255), train.containing[:4].tolist()] == [0, [5, 5, 5, 0]]
    millimetres = np.concatenate([clean("train", i)["x"].ravel() for i in range(5)])
    assert (train.x[0].low, train.x[0].high) == (
        pytest.approx(millimetres.min() / 1000),
        pytest.approx(millimetres.max() / 1000),
    )
    np.testing.assert_allclose(
        train.x[0].percentiles(1, 50, 99),
        np.percentile(millimetres, (1, 50, 99)) / 1000,
        rtol=0.01,
    )


def test_bad_frames_do_not_stop_it_and_equal_faults_are_counted_together(make: Make) -> None:
    def change(split: str, index: int, parts: Parts) -> None:
        if index < 2:
            parts["label"][:2] = 10 * index + 5

    root = make(change)
    (root / "train/image/trainb_3.png").write_bytes(b"no image")
    (root / "train/x/trainb_3.png").write_bytes(b"no image either")
    survey, _ = examine(root)
    assert counts(survey, "train") == (5, 4, 3, 4)
    labels, image, depth = sorted(survey.faults.values(), key=lambda group: -group.count)
    assert labels.part == "label"
    assert labels.count == 4
    assert [frame.split for frame in labels.first] == ["train", "train", "val"]
    assert (image.part, depth.part) == ("image", "depth")
    assert [frame.name for frame in depth.first] == ["train/x/trainb_3.png"]


def test_paths_are_shown_without_the_folder_alone(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(root="../data")
    (root / "train/image/traina_0.png").write_bytes(b"no image")
    monkeypatch.chdir(root)
    (fault,) = examine(Path("lix.yaml"))[0].faults.values()
    assert fault.first[0].name == "../data/train/image/traina_0.png"
    assert "../data/train/image/traina_0.png" in fault.message
    monkeypatch.chdir(root.parent)
    (fault,) = examine(Path("data/lix.yaml"))[0].faults.values()
    assert fault.first[0].name == "../data/train/image/traina_0.png"
    survey = Survey("folder", Path("data"), (), ())
    data = root.relative_to(root.parent)
    assert survey.shown(f"first {data}/a.png, my{data}/b.png") == f"first a.png, my{data}/b.png"


def test_an_evenly_spaced_sample(make: Make) -> None:
    calls: list[tuple[int, int]] = []
    survey, _ = examine(make(), images=2, progress=lambda done, total: calls.append((done, total)))
    assert survey.is_sample
    assert (counts(survey, "train"), counts(survey, "val")) == ((2, 2, 2, 2), (2, 2, 2, 2))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_is_kept_does_not_grow_with_the_images(make: Make) -> None:
    def copied(split: str, index: int, parts: Parts) -> None:
        parts.update(clean("val", 0))
        parts["label"][0] = 99

    survey, _ = examine(make(copied))
    assert [(group.count, len(group.first)) for group in survey.faults.values()] == [(8, 3)]
    kept = {pair: (group.count, len(group.first)) for pair, group in survey.copies.items()}
    assert kept == {("train", "train"): (4, 3), ("train", "val"): (3, 3)}


def test_missing_files_of_x_are_said_once_and_the_others_read(make: Make, tmp_path: Path) -> None:
    root = make()
    folder = tmp_path / "x"
    for split in FRAMES:
        (folder / split).mkdir(parents=True)
        (root / split / "x").rename(folder / split / "image")
    (folder / "x.yaml").write_text("{kind: depth, unit: mm}")
    (folder / "train/image/traina_0.png").unlink()
    survey, _ = examine(root, options={"x": [str(folder)]})
    assert counts(survey, "train") == (5, 5, 5, 4)
    assert list(survey.missing_x) == ["train"]
    assert "1 of 5 depth files are missing" in survey.missing_x["train"][0]
    assert not survey.faults


def test_a_folder_of_x_without_description_is_said(make: Make, tmp_path: Path) -> None:
    survey, _ = examine(make(), options={"x": [str(tmp_path / "nowhere")]})
    assert set(survey.missing_x) == set(FRAMES)
    assert "nowhere is missing; correct data.options.x" in survey.missing_x["val"][0]
    assert counts(survey, "val") == (3, 3, 3)
