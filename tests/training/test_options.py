"""Options that are off in the paper: average, clipping, crops, warm-up, compilation."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from lix.runs.history import read_history
from lix.runs.recipe import Recipe
from lix.runs.settings import Data
from lix.study.plan import run_name
from lix.training.fit import fit
from tests.training.test_fit import _fit_until_epoch, losses, recipe, weights

OPTIONS: dict[str, dict[str, Any]] = {
    "ema": {"training": {"ema": 0.9}},
    "cosine": {"optim": {"schedule": "cosine", "warmup": 1}},
    "crop": {"augment": {"crop": [16, 32]}},
    "clip": {"optim": {"clip": 0.1}},
    "compile": {"training": {"compile": True}},
}


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dynamo without a C++ compiler behind it."""
    compile_eagerly = functools.partialmethod(nn.Module.compile, backend="eager")
    monkeypatch.setattr(nn.Module, "compile", compile_eagerly)


class Watch(L.Callback):
    """Keeps the weights after each update, and the norm of the gradient before it."""

    def __init__(self) -> None:
        self.weights: list[dict[str, Tensor]] = []
        self.norms: list[float] = []
        self.shapes: set[tuple[int, ...]] = set()

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        norms = [p.grad.norm() for p in module.parameters() if p.grad is not None]
        self.norms.append(float(torch.stack(norms).norm()))

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, idx: int
    ) -> None:
        self.shapes.add(tuple(batch["image"].shape[-2:]))
        self.weights.append({k: v.clone() for k, v in module.state_dict().items()})


def trained(root: Path, output: Path, epochs: int = 1, **settings: Any) -> tuple[Path, Watch]:
    watch, training = Watch(), settings.pop("training", {}) | {"epochs": epochs}
    run = fit(recipe(root, output, training=training, **settings), callbacks=[watch])
    return run, watch


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_resumed_to_the_last_bit(name: str, streets: Path, tmp_path: Path) -> None:
    settings = {**OPTIONS[name]}
    settings["training"] = {"epochs": 3, **settings.get("training", {})}
    undisturbed = fit(recipe(streets, tmp_path / "undisturbed", **settings))
    with pytest.raises(KeyboardInterrupt):
        _fit_until_epoch(1, recipe(streets, tmp_path / "resumed", **settings))
    resumed = fit(recipe(streets, tmp_path / "resumed", **settings), resume=True)
    assert losses(resumed) == losses(undisturbed)
    for which in ("best", "last"):
        expected, actual = weights(undisturbed, which), weights(resumed, which)
        assert expected.keys() == actual.keys()
        assert all(torch.equal(expected[key], actual[key]) for key in expected)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_names_another_run_and_its_default_none(name: str) -> None:
    assert run_name(Recipe.model_validate(OPTIONS[name])) != run_name(Recipe())
    assert run_name(Recipe.model_validate({"training": {"logger": "csv"}})) == run_name(Recipe())


def test_the_average_is_what_is_kept_and_validated(streets: Path, tmp_path: Path) -> None:
    run, watch = trained(streets, tmp_path / "run", **OPTIONS["ema"])
    expected = watch.weights[0]
    for step in watch.weights[1:]:
        expected = {k: 0.9 * v + 0.1 * step[k] for k, v in expected.items()}
    kept = weights(run, "best")
    assert kept.keys() == expected.keys()
    for key, value in kept.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[key], rtol=1e-4, atol=1e-6)
    plain, _ = trained(streets, tmp_path / "plain")
    scores = [{n: v for _, n, v in read_history(r / "history.csv")} for r in (run, plain)]
    assert scores[0]["loss"] == scores[1]["loss"], "training itself is as without an average"
    assert scores[0]["val_loss"] != scores[1]["val_loss"]


def test_the_average_copies_no_teacher(streets: Path, tmp_path: Path) -> None:
    teacher, _ = trained(streets, tmp_path / "teacher", role="teacher")
    distill = {"method": "kd", "teacher": teacher}
    run, _ = trained(streets, tmp_path / "run", distill=distill, **OPTIONS["ema"])
    assert not any("teacher" in key for key in weights(run))


def test_gradients_are_no_longer_than_the_limit(streets: Path, tmp_path: Path) -> None:
    """An update of SGD without momentum and decay is the learning rate times the gradient."""
    optim = {"clip": 0.1, "momentum": 0, "weight_decay": 0, "lr": 1.0, "schedule": "constant"}
    run, watch = trained(streets, tmp_path / "run", optim=optim)
    assert max(watch.norms) > 0.1, "nothing to clip"
    names = [k for k, v in weights(run).items() if not k.endswith(("mean", "var", "tracked"))]
    for before, after in zip(watch.weights, watch.weights[1:], strict=False):
        update = torch.stack([(after[k] - before[k]).norm() for k in names]).norm()
        assert float(update) <= 0.1 * (1 + 1e-3)


def test_training_sees_crops_and_validation_whole_frames(streets: Path, tmp_path: Path) -> None:
    sizes: set[tuple[int, ...]] = set()

    class Validated(Watch):
        def on_validation_batch_end(self, *arguments: Any) -> None:
            sizes.add(tuple(arguments[3]["image"].shape[-2:]))

    whole = recipe(streets, tmp_path / "run", training={"epochs": 1}, **OPTIONS["crop"])
    watch = Validated()
    fit(whole, callbacks=[watch])
    assert watch.shapes == {(16, 32)}
    assert sizes == {(32, 64)}


@pytest.mark.slow
def test_compiled_networks_train_the_same_weights(streets: Path, tmp_path: Path) -> None:
    plain, _ = trained(streets, tmp_path / "plain")
    run, _ = trained(streets, tmp_path / "run", **OPTIONS["compile"])
    assert losses(run) == losses(plain)
    expected, actual = weights(plain), weights(run)
    assert expected.keys() == actual.keys(), "no name of a weight changes"
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"optim\.warmup 3 leaves none of the 3 epochs"):
        Recipe.model_validate({"optim": {"warmup": 3}, "training": {"epochs": 3}})
    with pytest.raises(
        ValueError, match=r"augment\.crop 32 × 64 is larger than data\.size 32 × 32"
    ):
        Recipe(data=Data(size=(32, 32)), augment={"crop": (32, 64)})
