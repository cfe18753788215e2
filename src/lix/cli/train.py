"""The commands that train and score a network. Heavy modules are imported by the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from lix.core.console import busy, say
from lix.runs.settings import Data, Distillation, Section, Settings

Flat = Parameter(name="*")
Checkpoint = Annotated[Path, Parameter(help="Run folder or .ckpt file.")]
RecipeFile = Annotated[
    Path | None, Parameter(alias="-r", help="YAML file with settings; flags win over it.")
]


def train(
    *,
    role: Literal["teacher", "student"] | None = None,
    settings: Annotated[Settings, Flat] = Settings(),
    recipe: RecipeFile = None,
    resume: bool = False,
) -> None:
    """Train a teacher (RGB and X) or a plain student (RGB only) from labels.

    Args:
        role: teacher or student; default: the recipe's role, else student.
        resume: continue an interrupted run.
    """
    _api().train(recipe, role=role, resume=resume, **_given(settings))


def distill(
    *,
    distill: Annotated[Distillation, Flat] = Distillation(),
    settings: Annotated[Settings, Flat] = Settings(),
    recipe: RecipeFile = None,
    resume: bool = False,
) -> None:
    """Train an RGB-only student from labels and from a teacher.

    Args:
        resume: continue an interrupted run.
    """
    _api().distill(recipe, resume=resume, **_given(distill), **_given(settings))


def evaluate(
    checkpoint: Checkpoint,
    *,
    split: Literal["train", "val", "test"] = "val",
    data: Annotated[Data, Parameter(show_default="the run's")] = Data(),
    recipe: RecipeFile = None,
    common: bool = False,
    leave_out: tuple[str, ...] = (),
    by: tuple[str, ...] = (),
    output: Path | None = None,
) -> None:
    """Evaluate a network; data settings that are not given come from its run.

    Args:
        split: split of the data set; no training opens test, which not every set has.
        common: on data with other classes, score those that the network and the data both have.
        leave_out: classes that are not scored, as in --leave-out pole fence: pixels with their
            label do not count, and no mean contains them.
        by: conditions whose values are also scored on their own, as in --by weather failure; which
            there are depends on the data set.
        output: JSON file for the scores and the confusion matrix.
    """
    from rich.console import Console

    _api().evaluate(
        checkpoint,
        recipe,
        split=split,
        data=_given(data),
        common=common,
        leave_out=leave_out,
        by=by,
        output=output,
        console=Console(),
    )


def report(*runs: Path, output: Path = Path("report.html")) -> None:
    """Write one HTML page about any runs: scores, curves, classes, pictures, cost.

    It needs no network. Runs that differ only in the seed are one row.

    Args:
        runs: their folders.
        output: the file.
    """
    import torch
    from rich.console import Console

    torch.set_num_threads(1)
    console = Console(stderr=True, soft_wrap=True)
    say(f"Open {_api().report(*runs, output=output, console=console)}.")


def _api() -> Any:
    """The functions behind the commands, which take seconds to import."""
    from rich.console import Console

    with busy("starting", Console(stderr=True)):
        from lix import api
    return api


def _given(section: Section) -> dict[str, Any]:
    """The settings that flags set."""
    return section.model_dump(exclude_unset=True)
