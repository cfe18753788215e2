"""The commands as functions: the same names, settings and results."""

from __future__ import annotations

import inspect
import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from PIL import Image
from rich.console import Console

import lix
from lix.cli import train as commands
from lix.data.dataset import SegDataset
from lix.data.sets.vkitti2 import VKITTI2
from lix.runs.checkpoint import load_network
from lix.runs.recipe import Recipe
from lix.runs.settings import Data, Distillation
from tests.test_readme import ROOT, block

pytestmark = pytest.mark.slow
QUIET = Console(quiet=True)
SMALL: dict[str, Any] = {
    "data": {"size": [32, 64]},
    "optim": {"batch_size": 4},
    "training": {"epochs": 1, "accelerator": "cpu"},
}


@pytest.fixture(scope="module")
def teacher(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("api") / "teacher"
    data = {"root": str(streets), "size": [32, 64]}
    settings = SMALL | {"data": data}
    return lix.train(settings, role="teacher", output=str(output), console=QUIET).path


class Count(Callback):
    def __init__(self) -> None:
        self.steps = 0

    def on_train_batch_end(self, *_: object) -> None:
        self.steps += 1


@pytest.fixture(scope="module")
def student(teacher: Path, streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("api") / "student"
    counter = Count()
    run = lix.distill(
        teacher / "recipe.yaml",
        method="kd",
        teacher=str(teacher),
        options={"temperature": 2.0},
        output=output,
        callbacks=[counter],
        logger=CSVLogger(output, name="csv"),
        console=QUIET,
    )
    assert counter.steps == 4
    assert list(output.glob("csv/**/metrics.csv")), "the user's logger"
    assert 0 <= run.scores["mIoU"] <= 1
    assert run.network.x_channels == 0
    saved = Recipe.load(output / "recipe.yaml")
    assert saved.role == "student"
    assert saved.distill is not None
    assert (saved.distill.method, saved.distill.options) == ("kd", {"temperature": 2.0})
    assert saved.data.root == streets
    return run.path


def test_names_are_those_of_the_commands() -> None:
    own = set(inspect.signature(lix.distill).parameters)
    assert set(Distillation.model_fields) <= own
    options = set(inspect.signature(commands.evaluate).parameters) - {"recipe"}
    assert options <= set(inspect.signature(lix.evaluate).parameters)


def test_a_wrong_entry_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"optim\.lr.*got -1"):
        lix.train(optim={"lr": -1}, output=tmp_path)
    with pytest.raises(ValueError, match="Did you mean 'training'"):
        lix.train(traning={}, output=tmp_path)


def test_evaluate_gives_the_scores_of_the_run(student: Path) -> None:
    scores = lix.evaluate(student)
    assert scores.mIoU == pytest.approx(lix.api.TrainedRun(student).scores["mIoU"], abs=1e-6)


def test_another_data_set_does_not_get_the_options_of_the_runs(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(student, run)
    recipe = Recipe.load(run / "recipe.yaml")
    own = recipe.data.model_copy(update={"options": {"cameras": [0]}})
    recipe.model_copy(update={"data": own}).save(run / "recipe.yaml")
    seen: list[Data] = []
    monkeypatch.setattr(lix.api, "evaluate_checkpoint", lambda _, data, **__: seen.append(data))
    lix.evaluate(run, data={"name": "kitti", "root": "kitti"})
    lix.evaluate(run, data={"name": "vkitti2", "root": "other"})
    assert [data.options for data in seen] == [{}, {"cameras": [0]}]
    assert [data.size for data in seen] == 2 * [recipe.data.size]


def test_classes_that_are_left_out(student: Path, tmp_path: Path) -> None:
    stream, output = io.StringIO(), tmp_path / "scores.json"
    everything = lix.evaluate(student, output=output)
    matrix = torch.tensor(json.loads(output.read_text())["confusion"])
    names = load_network(student)[1].classes
    name = max(names, key=lambda name: int(matrix[names.index(name)].sum()))
    found = lix.evaluate(
        student, leave_out=name, output=output, console=Console(file=stream, width=200)
    )
    stored = json.loads(output.read_text())
    assert stored["confusion"] == matrix.tolist()
    assert (stored["split"], stored["not_scored"]) == ("val", [name])
    assert stored["iou"][name] is None
    assert found.means != everything.means
    assert f"1 of {len(names)} classes are not scored: {name}." in stream.getvalue()
    with pytest.raises(ValueError, match="Unknown class 'horse'"):
        lix.evaluate(student, leave_out=["horse"])


def test_scores_by_condition(student: Path, streets: Path, tmp_path: Path) -> None:
    output, stream = tmp_path / "scores.json", io.StringIO()
    whole = lix.evaluate(student)
    found = lix.evaluate(
        student, by="variation", output=output, console=Console(file=stream, width=200)
    )
    assert found.means == pytest.approx(whole.means, abs=1e-6)
    variations = [name.split("/")[1] for name in VKITTI2(streets, split="val").ids]
    parts = found.by["variation"]
    assert {name: part.images for name, part in parts.items()} == Counter(variations)
    stored = json.loads(output.read_text())["by"]["variation"]
    assert {name: part["mIoU"] for name, part in stored.items()} == {
        name: part.mIoU for name, part in parts.items()
    }
    assert "by variation" in stream.getvalue()
    with pytest.raises(ValueError, match=r"Unknown condition 'weather'.*variation"):
        lix.evaluate(student, by=["weather"])


def test_pictures_of_every_kind_give_the_same_labels(student: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    predictor = lix.load_student(str(student))
    pictures = [tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(pixels), pixels]
    predictions = predictor.predict([*pictures, tensor, tensor / 255])
    assert len(predictions) == 6
    assert all(np.array_equal(one.labels, predictions[0].labels) for one in predictions)
    assert predictions[0].labels.shape == predictions[0].confidence.shape == (40, 70)
    assert predictions[0].overlay().size == (70, 40)
    legend = predictions[0].legend()
    assert set(legend) == {predictor.classes[i] for i in np.unique(predictions[0].labels)}


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((4, 5), np.uint8), r"\(H, W, 3\) uint8"),
        (torch.zeros(1, 3, 4, 5), "pass a batch as a list"),
        (torch.full((3, 4, 5), 2.0), r"lie in \[0, 1\]"),
        ("missing.png", "missing.png"),
    ],
)
def test_other_pictures_are_one_sentence(picture: Any, words: str, student: Path) -> None:
    with pytest.raises((ValueError, OSError), match=words):
        lix.load_student(student).predict(picture)


def test_an_exported_student_predicts_the_same(student: Path, tmp_path: Path) -> None:
    path = lix.export(student, tmp_path / "student.onnx")
    pixels = np.random.default_rng(1).integers(0, 255, (32, 64, 3), dtype=np.uint8)
    both = [lix.load_student(one).predict(pixels).labels for one in (student, path)]
    assert (both[0] == both[1]).mean() > 0.999


def test_a_data_set_may_be_an_object(streets: Path, tmp_path: Path) -> None:
    splits = [VKITTI2(streets, split=split) for split in ("train", "val")]
    train, val = (Items(split) for split in splits)
    test = Items(splits[1])
    frames = lix.Frames(
        train, val, splits[0].classes, x="depth", palette=splits[0].palette, test=test
    )
    settings = SMALL | {"data": {"frames": frames, "size": [32, 64]}, "console": QUIET}
    teacher = lix.train(role="teacher", output=tmp_path / "teacher", **settings)
    data = {"name": "vkitti2", "root": str(streets)}
    on_disk = lix.train(
        SMALL | {"data": {**data, "size": [32, 64]}},
        role="teacher",
        output=tmp_path / "disk",
        console=QUIET,
    )
    assert teacher.scores == pytest.approx(on_disk.scores, abs=1e-6), "same frames, same run"
    run = lix.distill(method="kd", teacher=teacher.path, output=tmp_path / "kd", **settings)
    assert lix.evaluate(run.path, data=frames).mIoU == pytest.approx(run.scores["mIoU"], abs=1e-6)
    assert lix.evaluate(run.path, data=data).mIoU == pytest.approx(run.scores["mIoU"], abs=1e-6)
    assert not test.opened, "training opens no frame of test"
    on_test = lix.evaluate(run.path, data=frames, split="test")
    assert on_test.mIoU == pytest.approx(run.scores["mIoU"], abs=1e-6)
    assert test.opened
    with pytest.raises(ValueError, match="no test split"):
        lix.evaluate(run.path, data=data, split="test")
    with pytest.raises(ValueError, match="frames in memory, which its folder cannot open again"):
        lix.evaluate(run.path)
    page = lix.report(teacher.path, run.path, output=tmp_path / "report.html")
    assert "No pictures of teacher, kd: This run learnt from frames in memory" in page.read_text()


def test_frames_that_are_no_data_set_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.frames is a lix\.Frames"):
        lix.train(data={"frames": []}, output=tmp_path)


class Items:
    """Frames of a data set on disk as a user's own object."""

    def __init__(self, dataset: SegDataset) -> None:
        self.dataset, self.opened = dataset, False

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.opened = True
        sample = self.dataset.read(self.dataset.ids[index], with_x=True)
        return {"image": sample.image, "label": sample.target, "x": sample.x}


def test_the_page_runs_as_written(
    streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    shutil.copytree(streets, tmp_path / "data" / "streets")
    text = block("python", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"))
    exec(text.replace("(96, 320)", "(32, 64)").replace('"epochs": 10', '"epochs": 1'), {})
    assert (tmp_path / "overlay.png").is_file()
    assert (tmp_path / "student.onnx").is_file()
