"""`lix data select`: lists that a training reads, and measures that are made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lix.data import build_dataset
from lix.tools.select import Report, select
from tests.cli.test_cli import lix
from tests.data.sets.contract import one_sentence
from tests.deploy.conftest import write_checkpoint


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Untrained networks."""
    folder = tmp_path_factory.mktemp("runs")
    sees_x = {"x_kind": "depth", "x_channels": 1}
    return {
        "teacher": write_checkpoint(folder / "teacher.ckpt", size=(32, 64), **sees_x),
        "student": write_checkpoint(folder / "student.ckpt", size=(32, 64)),
    }


def run(streets: Path, output: Path, runs: dict[str, Path], **changes: Any) -> Report:
    return select(streets, output, **({**runs, "count": 5} | changes))


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_training_reads_the_list(streets: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    report = run(streets, tmp_path / "out", runs)
    frames = build_dataset("vkitti2", streets, False, split="train").ids
    assert (report.frames, report.name) == (len(frames), "vkitti2")
    for name, chosen in (("train", report.train), ("label", report.label)):
        assert lines(tmp_path / "out" / f"{name}.txt") == list(chosen)
        assert len(set(chosen)) == 5
        assert set(chosen) < set(frames)
    drive = build_dataset("vkitti2", streets, False, split="train", lists=tmp_path / "out")
    assert drive.ids == list(report.train)
    assert report.ratio > 1


def test_a_second_call_measures_only_what_is_missing(
    streets: Path, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, int]] = []
    progress = lambda done, total: calls.append((done, total))  # noqa: E731
    first = run(streets, tmp_path / "out", runs, progress=progress, batch_size=5)
    total = first.frames
    assert calls == [(min(5 * n, total), total) for n in range(-(-total // 5) + 1)]
    (measures,) = (tmp_path / "out").glob("measures-*.npy")
    whole = np.load(measures)
    cut = np.lib.format.open_memmap(measures, mode="r+")
    cut[3:] = np.zeros((), cut.dtype)
    cut.flush()
    del cut
    calls.clear()
    again = run(streets, tmp_path / "out", runs, progress=progress, batch_size=5)
    assert calls[0] == (3, total)
    assert (again.train, again.label) == (first.train, first.label)
    assert all(np.allclose(np.load(measures)[name], whole[name]) for name in whole.dtype.names)
    monkeypatch.setattr("lix.tools.select.run.measure", None)
    assert run(streets, tmp_path / "out", runs, count=3).train == first.train[:3]


def test_plain_images_in_a_folder(
    streets: Path, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The teacher is one that sees RGB, as these images have no X."""
    drive = tmp_path / "drive"
    drive.mkdir()
    for number, path in enumerate(sorted(streets.rglob("rgb_*.jpg"))[:8]):
        (drive / f"{number}.jpg").write_bytes(path.read_bytes())
    (drive / "copy.jpg").write_bytes((drive / "3.jpg").read_bytes())
    network = ("--teacher", runs["student"], "--student", runs["student"])
    out = tmp_path / "out"
    assert lix("data", "select", drive, out, *network, "--count", 8) == 0
    assert "--unlabelled.name folder" in capsys.readouterr().out
    assert {"3", "copy"} - set(lines(out / "label.txt")), "one of two copies is enough"
    labelled = lines(out / "label.txt")
    opened = build_dataset("folder", drive, False, split="train", lists=label_as_train(out))
    assert opened.ids == labelled


def label_as_train(out: Path) -> Path:
    (out / "hand").mkdir()
    (out / "hand" / "train.txt").write_bytes((out / "label.txt").read_bytes())
    return out / "hand"


def test_what_cannot_be(streets: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with one_sentence("--count is 500, but .* has 24 frames; name fewer"):
        run(streets, out, runs, count=500)
    with one_sentence("is a teacher: next to RGB it needs"):
        run(streets, out, runs, student=runs["teacher"])
    with one_sentence("is missing; name the data set's folder"):
        run(tmp_path / "nowhere", out, runs)
    plain = tmp_path / "plain"
    plain.mkdir()
    Image.new("RGB", (96, 48)).save(plain / "a.png")
    Image.new("RGB", (96, 48)).save(plain / "b.png")
    with one_sentence("has None; name folders of such X"):
        run(plain, out, runs, count=1)


def test_networks_of_other_classes_are_refused(
    streets: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    two = {"classes": ("road", "car"), "palette": ((0, 0, 0), (9, 9, 9))}
    other = write_checkpoint(tmp_path / "other.ckpt", **two)
    with one_sentence("knows the classes .* but .* knows road, car; name a student"):
        run(streets, tmp_path / "out", runs, student=other)
