"""The commands that train and score a network. Heavy modules are imported by the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import ValidationError

from lix.runs.folder import RunFolder
from lix.runs.recipe import Recipe, explain_validation
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
    from lix.training.fit import fit

    changes = _given(settings) | ({"role": role} if role else {})
    fit(_merged(recipe, changes, distill=None), resume=resume)


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
    from lix.training.fit import fit

    changes = _given(settings) | {"distill": _given(distill)}
    fit(_merged(recipe, changes, role="student"), resume=resume)


def evaluate(
    checkpoint: Checkpoint,
    *,
    split: Literal["train", "val"] = "val",
    data: Annotated[Data, Parameter(show_default="the run's")] = Data(),
    recipe: RecipeFile = None,
    common: bool = False,
    output: Path | None = None,
) -> None:
    """Evaluate a network; data settings that are not given come from its run.

    Args:
        split: split of the data set.
        common: on data with other classes, score those that the network and the data both have.
        output: JSON file for the scores and the confusion matrix.
    """
    from lix.evaluation.report import evaluate_checkpoint

    if recipe is None and RunFolder.of(checkpoint).recipe.is_file():
        recipe = RunFolder.of(checkpoint).recipe
    given = _given(data)
    if "root" in given:
        given.setdefault("val_root", None)
    chosen = _merged(recipe, {"data": given}).data
    evaluate_checkpoint(checkpoint, chosen, split=split, common=common, output=output)


def _given(section: Section) -> dict[str, Any]:
    """The settings that flags set."""
    return section.model_dump(exclude_unset=True)


def _merged(recipe: Path | None, flags: dict[str, Any], **fixed: Any) -> Recipe:
    """The settings of a recipe file and of flags, which win; `fixed` wins over both."""
    changes = flags | fixed
    if recipe is not None:
        return Recipe.load(recipe, **changes)
    try:
        return Recipe.model_validate(changes)
    except ValidationError as error:
        raise ValueError(explain_validation(error)) from None
