"""Trains what a recipe says into its run folder: `lix train` and `lix distill`."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from rich.console import Console

from lix.core.console import busy, plain, tracked, warn
from lix.core.files import folder_lock, remove_parts
from lix.core.memory import keep_freed_memory
from lix.data.duplicates import save_fingerprints
from lix.evaluation.evaluate import evaluate
from lix.evaluation.metrics import scores
from lix.runs.data import evaluation_loader
from lix.runs.folder import RunFolder
from lix.runs.identity import identify
from lix.runs.recipe import Recipe
from lix.runs.settings import IRRELEVANT_TO_RESULT, Training
from lix.training.averaging import MovingAverage
from lix.training.batches import Batches
from lix.training.build import build
from lix.training.callbacks import History, Warnings, diagnose_shares
from lix.training.checkpoint_io import WholeCheckpoints, last_whole, stored_id
from lix.training.conclude import conclude
from lix.training.drive_statistics import diagnose_drive
from lix.training.logs import LogExtras, close_logger, open_logger, require_logger
from lix.training.module import SegModule
from lix.training.progress import EpochBar, EpochLines, print_start
from lix.training.teacher_stage import run_teacher_stage

RANKS = ("TORCHELASTIC_RUN_ID", "SLURM_PROCID")
"""Variables that torchrun and srun set."""


def fit(
    recipe: Recipe,
    *,
    resume: bool = False,
    console: Console | None = None,
    callbacks: Sequence[L.Callback] = (),
    logger: Logger | None = None,
) -> Path:
    """Train what the recipe says and evaluate its best checkpoint.

    Writes into `recipe.output`: `recipe.yaml`, `history.csv`, `checkpoints/best.ckpt` and
    `last.ckpt`, `tensorboard/` and, at the end, `result.json`, `curves.png` and `pictures.png`.

    Args:
        recipe: all settings.
        resume: continue from `last.ckpt`; a finished run is left as it is.
        console: where progress goes; default stderr.
        callbacks: the user's own, next to those of lix.
        logger: the user's own, in place of TensorBoard.

    Returns:
        The run folder.

    Raises:
        ValueError, FileNotFoundError: settings, data or teacher are wrong, or the folder holds
            another run.
        ArithmeticError: a loss term is NaN or infinite.
    """
    first = rank_zero_only.rank == 0
    console = console or Console(stderr=True, soft_wrap=True, quiet=not first)
    recipe = recipe.absolute()
    run = RunFolder(recipe.output)
    if first and _is_done(run, recipe, resume=resume):
        console.print(plain(f"{run} is finished already; its result is in {run.result}."))
        return run.path
    _quieten()
    _require_machine(recipe.training, console)
    require_logger(recipe.training.logger)
    module, batches = build(recipe, console)
    print_start(module, batches, console)
    _score_teacher(recipe, module, batches, console)
    with folder_lock(run.path) if first else nullcontext():
        if first:
            remove_parts(run.path, run.checkpoints)
        checkpoint = last_whole(run, console) if resume else None
        if first:
            with busy("looking at the files of the data", console):
                identify(run, batches.parts, stored_id(checkpoint))
            recipe.save(run.recipe)
            if prints := batches.drive_fingerprints:
                save_fingerprints(prints, run.drives)
        try:
            trainer = _trainer(recipe, module, console, callbacks, logger)
        except MisconfigurationException as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"This machine or setting does not allow it: {reason}") from None
        try:
            _train(trainer, recipe, module, batches, checkpoint, console)
        finally:
            if logger is None:
                close_logger(recipe.training.logger)
    return run.path


def _require_machine(training: Training, console: Console) -> None:
    """Check that the devices are there and fit, and set the threads of this process."""
    if training.nodes > 1 and not any(name in os.environ for name in RANKS):
        raise ValueError(
            f"training.nodes is {training.nodes}, but nothing has started this process as one of "
            "several machines; start it on each with torchrun or srun (docs/training.md)."
        )
    has_gpu = torch.accelerator.is_available()
    if training.accelerator == "gpu" and not has_gpu:
        raise ValueError("training.accelerator is gpu, but there is none here; choose auto or cpu.")
    on_cpu = training.accelerator == "cpu" or not has_gpu
    if on_cpu and training.precision == "16-mixed":
        raise ValueError("training.precision 16-mixed needs a GPU; choose 32-true.")
    if on_cpu and training.precision == "bf16-mixed" and not _has_bfloat16():
        warn(console, "this CPU computes bfloat16 in software, which is slow; 32-true is faster.")
    torch.set_num_threads(training.threads)
    if on_cpu:
        keep_freed_memory()


def _has_bfloat16() -> bool:
    """Whether oneDNN computes bfloat16 on this CPU; yes where PyTorch cannot tell."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is None or bool(supported())


def _score_teacher(recipe: Recipe, module: SegModule, batches: Batches, console: Console) -> None:
    """Print how good the teacher of a distillation is."""
    if not recipe.distill or module.teacher is None:
        return
    with_x = module.teacher.x_channels > 0
    loader = evaluation_loader(recipe.data, batches.val, with_x=with_x)
    shown = tracked(loader, "scoring the teacher", console, len(loader))
    matrix = evaluate(module.teacher, shown, accelerator=recipe.training.accelerator)
    score = 100 * scores(matrix, batches.val.left_out).mIoU
    console.print(plain(f"teacher {recipe.distill.teacher}: val mIoU {score:.1f} %"))


def _train(
    trainer: L.Trainer,
    recipe: Recipe,
    module: SegModule,
    batches: Batches,
    checkpoint: Path | None,
    console: Console,
) -> None:
    """Train from the start or from a checkpoint, and write the result."""
    run = RunFolder(recipe.output)
    if checkpoint is None:
        run_teacher_stage(module, batches, trainer.strategy.root_device, run.teacher_stage, console)
    try:
        trainer.fit(module, batches, ckpt_path=checkpoint, weights_only=True)
    except ArithmeticError as error:
        kept = "there is no checkpoint"
        if run.last.is_file():
            kept = f"the last good checkpoint is {run.last}"
        raise ArithmeticError(f"{error} ({kept})") from None
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # A logger's writer does not say which of its files has no room.
        raise OSError(error.errno, error.strerror, str(run.path)) from None
    except SystemExit:
        # Lightning turns Ctrl-C into an exit of the whole process.
        raise KeyboardInterrupt from None
    if trainer.received_sigterm:
        raise KeyboardInterrupt
    if trainer.is_global_zero:
        conclude(recipe, batches, _warnings(trainer), console)


def _is_done(run: RunFolder, recipe: Recipe, *, resume: bool) -> bool:
    """Whether the run is finished, with its weights; raises if the folder holds another run."""
    if not run.recipe.is_file():
        return False
    if not resume:
        raise ValueError(
            f"{run} already holds a run; continue it with --resume or choose another --output."
        )
    before, now = _fixed(Recipe.load(run.recipe)), _fixed(recipe)
    changed = sorted(k for k in now.keys() | before.keys() if now.get(k) != before.get(k))
    if changed:
        raise ValueError(
            f"{run.recipe} was made with other settings ({', '.join(changed)}); a resume cannot "
            "change them, so choose another --output."
        )
    return run.usable


def _fixed(recipe: Recipe) -> dict[str, Any]:
    """Settings by dotted name that must not change between a start and a resume."""
    may_change = IRRELEVANT_TO_RESULT | (
        {"epochs"} if recipe.optim.schedule == "constant" else set()
    )
    dumped = recipe.model_dump(mode="json", exclude={"output": True, "training": may_change})
    flat: dict[str, Any] = {}
    for section, value in dumped.items():
        inner = value if isinstance(value, dict) else {"": value}
        flat |= {f"{section}.{key}".rstrip("."): setting for key, setting in inner.items()}
    return flat


def _trainer(
    recipe: Recipe,
    module: SegModule,
    console: Console,
    more_callbacks: Sequence[L.Callback],
    logger: Logger | None,
) -> L.Trainer:
    training, run = recipe.training, RunFolder(recipe.output)
    checkpoints = {
        "dirpath": run.checkpoints,
        "enable_version_counter": False,
        "save_on_train_epoch_end": True,
    }
    callbacks: list[L.Callback] = [
        LogExtras(),
        *(_chosen_by_validation(recipe, checkpoints) if recipe.keeps_best else ()),
        ModelCheckpoint(filename=run.last.stem, **checkpoints),
        History(run.history),
        lines := EpochLines(console, training.epochs),
    ]
    if module.method is not None:
        callbacks.append(Warnings(console, diagnose_shares, module.method.diagnose, diagnose_drive))
    elif recipe.unlabelled.is_used:
        callbacks.append(Warnings(console, diagnose_drive))
    if console.is_terminal:
        callbacks.append(EpochBar(console, lines))
    if training.ema is not None:  # last: others look at the average before it goes
        more_callbacks = [*more_callbacks, MovingAverage(training.ema)]
    several = training.processes > 1
    return L.Trainer(
        accelerator=training.accelerator,
        devices=training.devices,
        num_nodes=training.nodes,
        strategy="ddp" if several and training.strategy == "auto" else training.strategy,
        precision=training.precision,
        max_epochs=training.epochs,
        check_val_every_n_epoch=training.evaluate_every,
        accumulate_grad_batches=recipe.optim.accumulate,
        gradient_clip_val=recipe.optim.clip,
        callbacks=[*callbacks, *more_callbacks],
        plugins=[WholeCheckpoints()],
        logger=logger or open_logger(training.logger, run),
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )


def _chosen_by_validation(recipe: Recipe, checkpoints: dict[str, Any]) -> list[L.Callback]:
    """What keeps the epoch with the best validation score, and stops when none is better."""
    training = recipe.training
    return [
        ModelCheckpoint(
            filename=RunFolder(recipe.output).best.stem,
            monitor="val_mIoU",
            mode="max",
            every_n_epochs=training.evaluate_every,
            **checkpoints,
        ),
        EarlyStopping(
            "val_mIoU", mode="max", patience=math.ceil(training.patience / training.evaluate_every)
        ),
    ]


def _warnings(trainer: L.Trainer) -> list[str]:
    callbacks = [c for c in trainer.callbacks if isinstance(c, Warnings)]
    return [sentence for callback in callbacks for sentence in callback.warnings.values()]


def _quieten() -> None:
    """Silence Lightning's adverts and the warnings that do not concern the user."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*missing from font.*")
