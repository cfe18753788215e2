"""A study → its runs: data × network × method × seed, each named by the hash of its settings."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import lix
from lix.core.registry import entries, find, merge, safe_path
from lix.data.yaml_files import load_yaml
from lix.runs.folder import CROSS, RunFolder
from lix.runs.history import epochs_done
from lix.runs.recipe import Recipe, explain_validation
from lix.runs.settings import IRRELEVANT_TO_RESULT
from lix.study.definition import TAUGHT, Study
from lix.study.escape import file_name

PROGRAM = Path(lix.__file__).with_name("__main__.py")
"""What trains. It is run by its path: `python -m` would take modules from the current folder."""

DEFAULTS = 1
"""To be raised where a default of `Recipe` changes: a run is named by what differs from the
defaults, so that a new setting leaves the old names."""

ADDED_OPTIONS: dict[str, dict[str, Any]] = {"arfd": {"student_side": "trained"}}
"""Options that methods got after the first results were kept, with the value that means what the
method did before: a run with it is still the same run."""


@dataclass(frozen=True)
class Job:
    """One training."""

    name: str
    recipe: Recipe
    needs: str | None = None
    """Name of the job that must be finished first."""
    packed: bool = False
    """Whether its record is in a study's packed file."""

    @property
    def folder(self) -> RunFolder:
        """Folder of the training's files."""
        return RunFolder(self.recipe.output)

    @property
    def finished(self) -> bool:
        """Whether there is a result."""
        return self.packed or self.folder.finished

    @property
    def usable(self) -> bool:
        """Whether students can learn from it: that needs weights, not only a result."""
        return self.folder.usable

    @property
    def epochs_done(self) -> int:
        """Number of epochs in the history."""
        return epochs_done(self.folder.history)

    def command(self) -> list[str]:
        """`lix train` or `lix distill` with the job's recipe, resuming what there is."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        if not self.folder.last.is_file():  # else the folder's own recipe goes on
            self.recipe.absolute().save(self.folder.recipe)
        command = "distill" if self.recipe.distill else "train"
        recipe = str(self.folder.recipe.absolute())
        return [sys.executable, str(PROGRAM), command, "-r", recipe, "--resume"]

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the training's process, added to those of its machine."""
        return {"OMP_NUM_THREADS": str(self.recipe.training.threads), **safe_path()}


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study."""

    data: str
    network: str
    method: str
    """Label of its row; teachers have those of `Study.teachers`."""
    seed: int
    job: Job

    def cross_key(self, study: Study, data: str) -> str:
        """Key of its scores on other data, made of the data and the common classes."""
        text = json.dumps([study.data[data], study.cross], sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{file_name(data)}-{key}"

    def cross_file(self, study: Study, data: str) -> Path:
        """File of its scores on other data."""
        return self.job.recipe.output / CROSS.format(self.cross_key(study, data))


def plan(study: Study, output: Path, packed: Container[str] = ()) -> list[PlannedRun]:
    """All runs, teachers first, each in a folder named by the hash of its settings.

    Runs with the same settings are one run, so that studies in one folder share them.

    Args:
        study: what to run.
        output: folder of all runs.
        packed: names of the runs that are done and whose folders may be gone.

    Raises:
        ValueError: settings that are not a recipe.
    """
    runs: list[PlannedRun] = []
    teachers: dict[tuple[str, str, str], Job] = {}
    for data, network, label in product(study.data, study.networks, study.teachers):
        settings = merge(_base(study, data, network), {"role": "teacher"} | study.teacher)
        first = None
        if label == TAUGHT:
            first = teachers[data, network, "teacher"]
            drive = {"teacher": str(first.recipe.output)}
            settings["unlabelled"] = merge(study.unlabelled.get(data, {}), drive)
        recipe = _recipe(study, settings)
        job = _job(recipe, output, first, packed)
        teachers[data, network, label] = job
        runs.append(PlannedRun(data, network, label, recipe.training.seed, job))
    for seed, data, network, entry in product(
        study.seeds, study.data, study.networks, study.methods
    ):
        if entry.data and data not in entry.data:
            continue
        base, seeded = _base(study, data, network), {"training": {"seed": seed}}
        settings = merge(merge(base, entry.settings), seeded)
        teacher = None
        if entry.method != "none":
            label = TAUGHT if entry.teacher == "taught" else "teacher"
            teacher = teachers[data, network, label]
            if entry.teacher == "rgb":
                teacher = _job(_recipe(study, merge(base, seeded)), output, None, packed)
            chosen = entry.model_dump(
                include={"method", "preset", "options", "features", "teacher_features"}
            )
            settings["distill"] = chosen | {"teacher": str(teacher.recipe.output)}
        if entry.unlabelled:
            own = entry.unlabelled if isinstance(entry.unlabelled, dict) else {}
            truth = {"truth": True} if entry.teacher == "truth" else {}
            drive = merge(study.unlabelled.get(data, {}), own | truth)
            settings = merge(settings, {"unlabelled": drive})
        job = _job(_recipe(study, settings), output, teacher, packed)
        runs.append(PlannedRun(data, network, entry.name, seed, job))
    return runs


def _base(study: Study, data: str, network: str) -> dict[str, Any]:
    """The settings of all runs with these data and this network."""
    chosen = study.networks[network]
    network_section = chosen.model_dump(include={"name", "options"}, exclude_defaults=True)
    data_section = {k: v for k, v in study.data[data].items() if k != "settings"}
    settings = merge(study.settings, chosen.settings)
    settings = merge(settings, study.data[data].get("settings", {}))
    return merge(settings, {"data": data_section, "network": network_section})


def _recipe(study: Study, settings: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise ValueError(
            f"The settings of the study {study.name} are not a recipe: {explain_validation(error)}"
        ) from None


def _job(recipe: Recipe, output: Path, teacher: Job | None, packed: Container[str]) -> Job:
    name = run_name(recipe, teacher)
    placed = recipe.model_copy(update={"output": output / "runs" / name})
    return Job(name, placed, needs=teacher.name if teacher else None, packed=name in packed)


def _resolved_options(
    method: str, preset: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """All options of a method, so that another default makes another run."""
    cls: Any = find("methods", method).load()
    parameters = inspect.signature(cls).parameters.values()
    resolved = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    resolved = merge(merge(resolved, cls.presets.get(preset, {})), options)
    parts = entries("methods")
    for name, before in ADDED_OPTIONS.get(method, {}).items():
        if resolved[name] == before:
            del resolved[name]
    return {
        name: _resolved_options(name, None, value or {})
        if name in parts and isinstance(value, Mapping | None)
        else value
        for name, value in resolved.items()
    }


def _described(path: Path) -> object:
    """The entries of a description of data; the training refuses a wrong one."""
    try:
        return load_yaml(path)
    except (OSError, ValueError):
        return None


def run_name(recipe: Recipe, teacher: Job | None = None) -> str:
    """Hash of all settings that a result depends on; a teacher is in it by its own hash.

    >>> run_name(Recipe()) == run_name(Recipe(output="elsewhere"))
    True
    """
    settings = recipe.model_dump(
        mode="json",
        exclude={"output": True, "training": IRRELEVANT_TO_RESULT, "data": {"cache"}},
        exclude_defaults=True,
    )
    settings = {section: chosen for section, chosen in settings.items() if chosen != {}}
    settings["defaults"] = DEFAULTS
    if recipe.data.root is not None and recipe.data.root.is_file():
        settings["data"]["described"] = _described(recipe.data.root)
    for number, drive in enumerate(recipe.unlabelled.sources):
        if drive.root is not None and drive.root.is_file():
            settings[f"drive {number}"] = _described(drive.root)
    if recipe.unlabelled.teacher and teacher is not None:
        settings["unlabelled"]["teacher"] = teacher.name
    if recipe.distill and teacher is not None:
        distill = recipe.distill
        settings["distill"]["teacher"] = teacher.name
        settings["distill"]["options"] = _resolved_options(
            distill.method, distill.preset, distill.options
        )
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
