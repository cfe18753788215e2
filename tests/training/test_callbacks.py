"""The warnings that a method's monitors and the loss shares lead to."""

from __future__ import annotations

import io
from types import SimpleNamespace

from rich.console import Console

from lix.methods import DWLD
from lix.training.callbacks import Warnings, diagnose_shares


def watched(mean: float, std: float) -> dict[str, float]:
    return {"beta_mean": mean, "beta_std": std, "beta_saturation": 0.0}


def say(epochs: list[dict[str, float]]) -> str:
    stream = io.StringIO()
    method = DWLD((), 5, controller="joint")
    console = Console(file=stream, width=500)
    callback = Warnings(console, diagnose_shares, method.diagnose)
    for epoch, metrics in enumerate(epochs):
        trainer = SimpleNamespace(callback_metrics=metrics, current_epoch=epoch)
        callback.on_train_epoch_end(trainer, None)
    return stream.getvalue()


def test_collapse_is_said_once_with_its_epoch() -> None:
    healthy, collapsed = watched(4.0, 2.0), watched(1.01, 0.01)
    printed = say([healthy, collapsed, collapsed])
    assert printed.count("weight controller has collapsed: β is 1.01 ± 0.010") == 1
    assert "epoch 2: the weight" in printed


def test_idle_loss_term_is_named() -> None:
    printed = say([{"share_hard": 1.0, "share_dwld": 1e-6}])
    assert "loss term 'dwld' teaches nothing" in printed
    assert say([{"share_hard": 0.9, "share_dwld": 0.1}]) == ""
