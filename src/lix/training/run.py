"""A recipe → a trained network in a run folder."""

from __future__ import annotations

import json
import logging
import math
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from lix.core.files import folder_lock, write_text
from lix.evaluation.evaluate import evaluate
from lix.evaluation.metrics import scores
from lix.runs.checkpoint import BEST, LAST, load_network
from lix.runs.data import evaluation_loader
from lix.runs.provenance import commit, hardware, peak_memory
from lix.runs.recipe import RECIPE, Recipe
from lix.training.callbacks import CollapseWarnings, EpochLines, History, Patience, read_history
from lix.training.checkpoint_io import WholeCheckpoints, last_whole
from lix.training.first_stage import run_first_stage
from lix.training.loaders import Batches
from lix.training.module import SegModule
from lix.training.prepare import prepare

RESULT, HISTORY = "result.json", "history.csv"
FIRST_STAGE = BEST.with_name("first_stage.ckpt")
MAY_CHANGE = {"strategy", "workers", "threads", "accelerator"}
"""Training settings that a resume may change; a schedule depends on the epochs too."""


def fit(recipe: Recipe, *, resume: bool = False, console: Console | None = None) -> Path:
    """Train what the recipe says and evaluate its best checkpoint.

    Writes into `recipe.output`: `recipe.yaml`, `history.csv`, `checkpoints/best.ckpt` and
    `last.ckpt`, `tensorboard/` and, at the end, `result.json`.

    Args:
        recipe: all settings.
        resume: continue from `last.ckpt`; a finished run is left as it is.
        console: where progress goes; default stderr.

    Returns:
        The run folder.

    Raises:
        ValueError, FileNotFoundError: settings, data or teacher are wrong, or the folder holds
            another run.
        ArithmeticError: a loss term is NaN or infinite.
    """
    console = console or Console(stderr=True, soft_wrap=True)
    recipe = recipe.absolute()
    output = recipe.output
    first = rank_zero_only.rank == 0
    if first and _claim(recipe, resume=resume):
        console.print(f"{output} is finished already; its result is in {output / RESULT}.")
        return output
    _quieten()
    torch.set_num_threads(recipe.training.threads)
    module, batches = prepare(recipe, console)
    with folder_lock(output) if first else nullcontext():
        checkpoint = last_whole(output, console) if resume else None
        if first:
            recipe.save(output / RECIPE)
        _train(recipe, module, batches, checkpoint, console)
    return output


def _train(
    recipe: Recipe, module: SegModule, batches: Batches, checkpoint: Path | None, console: Console
) -> None:
    """Train from the start or from a checkpoint, and write the result."""
    output = recipe.output
    trainer = _trainer(recipe, module, console)
    if checkpoint is None:
        run_first_stage(
            module, batches, trainer.strategy.root_device, output / FIRST_STAGE, console
        )
    try:
        trainer.fit(module, batches, ckpt_path=checkpoint, weights_only=True)
    except ArithmeticError as error:
        last = output / LAST
        kept = f"the last good checkpoint is {last}" if last.is_file() else "there is no checkpoint"
        raise ArithmeticError(f"{error} ({kept})") from None
    except SystemExit:
        # Lightning turns Ctrl-C into an exit of the whole process.
        raise KeyboardInterrupt from None
    if trainer.received_sigterm:
        raise KeyboardInterrupt
    if trainer.is_global_zero:
        _conclude(recipe, batches, _warnings(trainer), console)


def _claim(recipe: Recipe, *, resume: bool) -> bool:
    """Whether the run is finished, with its weights; raises where the folder holds another run."""
    saved = recipe.output / RECIPE
    if not saved.is_file():
        return False
    if not resume:
        raise ValueError(
            f"{recipe.output} already holds a run; continue it with --resume or choose another "
            "--output."
        )
    before, now = _fixed(Recipe.load(saved)), _fixed(recipe)
    changed = sorted(k for k in now.keys() | before.keys() if now.get(k) != before.get(k))
    if changed:
        raise ValueError(
            f"{saved} was made with other settings ({', '.join(changed)}); a resume cannot "
            "change them, so choose another --output."
        )
    return (recipe.output / RESULT).is_file() and (recipe.output / BEST).is_file()


def _fixed(recipe: Recipe) -> dict[str, Any]:
    """Settings by dotted name that must not change between a start and a resume."""
    may_change = MAY_CHANGE | ({"epochs"} if recipe.optim.schedule == "constant" else set())
    dumped = recipe.model_dump(mode="json", exclude={"output": True, "training": may_change})
    flat: dict[str, Any] = {}
    for section, value in dumped.items():
        inner = value if isinstance(value, dict) else {"": value}
        flat |= {f"{section}.{key}".rstrip("."): setting for key, setting in inner.items()}
    return flat


def _trainer(recipe: Recipe, module: SegModule, console: Console) -> L.Trainer:
    training, output = recipe.training, recipe.output
    checkpoints = {
        "dirpath": (output / BEST).parent,
        "enable_version_counter": False,
        "save_on_train_epoch_end": True,
    }
    callbacks: list[L.Callback] = [
        ModelCheckpoint(
            filename=BEST.stem,
            monitor="val_mIoU",
            mode="max",
            every_n_epochs=training.evaluate_every,
            **checkpoints,
        ),
        ModelCheckpoint(filename=LAST.stem, **checkpoints),
        Patience(
            "val_mIoU", mode="max", patience=math.ceil(training.patience / training.evaluate_every)
        ),
        History(output / HISTORY),
        EpochLines(console, training.epochs),
    ]
    if module.method is not None:
        callbacks.append(CollapseWarnings(module.method, console))
    if console.is_terminal:
        callbacks.append(RichProgressBar(leave=False))
    several = training.devices > 1
    return L.Trainer(
        accelerator=training.accelerator,
        devices=training.devices,
        strategy="ddp" if several and training.strategy == "auto" else training.strategy,
        precision=training.precision,
        max_epochs=training.epochs,
        check_val_every_n_epoch=training.evaluate_every,
        accumulate_grad_batches=recipe.optim.accumulate,
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        logger=TensorBoardLogger(output, name="", version="tensorboard"),
        enable_progress_bar=console.is_terminal,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )


def _warnings(trainer: L.Trainer) -> list[str]:
    found = [c for c in trainer.callbacks if isinstance(c, CollapseWarnings)]
    return [sentence for callback in found for sentence in callback.said.values()]


def _conclude(recipe: Recipe, batches: Batches, said: list[str], console: Console) -> None:
    """Evaluate the best checkpoint and write the result."""
    network, spec = load_network(recipe.output)
    loader = evaluation_loader(recipe.data, batches.val, with_x=network.x_channels > 0)
    confusion = evaluate(network, loader, accelerator=recipe.training.accelerator)
    result = scores(confusion)
    trained = read_history(recipe.output / HISTORY)
    stored = {
        **result.as_dict(spec.classes),
        "warnings": said,
        "confusion": confusion.tolist(),
        "seconds": sum(value for _, name, value in trained if name in ("seconds", "val_seconds")),
        "epochs": 1 + max(epoch for epoch, _, _ in trained),
        "parameters": sum(p.numel() for p in network.parameters()),
        "steps_per_epoch": len(batches.train)
        // (recipe.optim.batch_size * recipe.training.devices),
        "peak_memory_mb": round(peak_memory(), 1),
        "commit": commit(),
        "hardware": hardware(),
    }
    path = recipe.output / RESULT
    write_text(path, json.dumps(stored, indent=1))
    console.print(f"{recipe.output}: val mIoU {100 * result.mIoU:.1f} %; result in {path}")


def _quieten() -> None:
    """Silence Lightning's adverts and the warnings that do not concern the user."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
