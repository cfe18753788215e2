"""A study's recipe → its runs: data × network × method × seed."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from lix.core.errors import unknown
from lix.core.registry import entries, find, merge
from lix.runs.recipe import Recipe, Section, explain_validation
from lix.study.jobs import Job
from lix.study.records import CROSS

OWN_BUSINESS = {"strategy", "workers", "threads", "accelerator"}
"""Training settings that do not change a result, so that they do not make another run."""


DEFAULTS = 1
"""Raise it where a default of `Recipe` changes: a run is named by what differs from them, so that a
new setting leaves the old names."""


def _leaves_ours(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of runs, without those that come from the other entries of a study."""
    for key in ("output", "role", "distill"):
        if key in settings:
            raise ValueError(f"a study sets {key} itself; take it out of the settings")
    return settings


Settings = Annotated[dict[str, Any], AfterValidator(_leaves_ours)]


def _entry(value: object) -> object:
    return {"method": value} if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Streets(Section):
    """Procedural Streets that the study makes for itself where they are missing."""

    images: int = Field(ge=2)
    val_images: int = Field(ge=1)
    size: tuple[int, int]
    seed: int = 0
    world: str = "town"


class Seen(Section):
    """A network of a study."""

    name: str = "mfnet"
    options: dict[str, Any] = {}
    settings: Settings = {}
    """Other settings of its runs, as in a recipe."""


class Entry(Section):
    """One row of a table: a method with options."""

    method: str
    label: str | None = None
    """Name in tables; default: the method's."""
    preset: str | None = None
    options: dict[str, Any] = {}
    features: tuple[str, ...] = ()
    teacher_features: tuple[str, ...] = ()
    settings: Settings = {}
    """Other settings of the run, as in a recipe."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.label or self.method


class Pictures(Section):
    """Pictures that `lix study figure` draws of frames of the validation split."""

    kind: Literal["predictions", "probability", "worst", "maps"]
    """What each method predicts (the paper's Fig. 2 and 3); its probability of `of` (Fig. 6); the
    frames that the last method does worst at (Fig. 7); the loss, β and confidence of logits."""
    methods: tuple[str, ...] = ()
    """Rows of the study by label; default: all."""
    of: str | None = None
    """Class whose probability is shown."""
    frames: int = Field(default=4, ge=1)


class Study(Section):
    """The YAML file of a study."""

    base: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = ()
    """Files beside this one whose entries it takes over; later ones win, its own most of all."""
    name: str
    title: str = ""
    settings: Settings = {}
    """What all runs share, as in a recipe of `lix train`."""
    data: dict[str, dict[str, Any]]
    """Label → the section `data` of its runs."""
    streets: dict[str, Streets] = {}
    """Folder → the Procedural Streets to make there."""
    networks: dict[str, Seen]
    """Label → the section `network` of its runs, with other settings."""
    methods: tuple[Annotated[Entry, BeforeValidator(_entry)], ...] = ()
    """Rows of students; `none` is the undistilled one."""
    seeds: tuple[int, ...] = (0, 1, 2)
    teacher: Settings = {}
    """Other settings of the teachers, as in a recipe."""
    last: int = Field(default=5, ge=1)
    """Evaluations at the end of a run whose mean is its result."""
    paper: Literal["I", "II", "III"] | None = None
    """Table of the paper with the same set-up, shown beside the results."""
    cross: dict[str, tuple[str, ...]] | Literal["same"] | None = None
    """Test each student on the other data too, on the classes that both have: those with the
    `same` name, or common class → names."""
    sweep: str | None = None
    """Option whose values are the horizontal axis of a figure."""
    pictures: tuple[Pictures, ...] = ()
    """Pictures of predictions to draw."""

    @classmethod
    def load(cls, path: Path) -> Study:
        """Read a study.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a wrong entry; one sentence that names it.
        """
        try:
            study = cls.model_validate(_entries(path))
        except ValidationError as error:
            raise ValueError(f"{path}: {explain_validation(error, cls)}") from None
        rows = {"teacher", *(entry.name for entry in study.methods)}
        for name in [name for shown in study.pictures for name in shown.methods]:
            if name not in rows:
                raise ValueError(f"{path}: {unknown('row of the study', name, sorted(rows))}")
        labels = ["teacher", *(entry.name for entry in study.methods)]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"{path}: two rows are called {label!r}; give one a label.")
        for entry in study.methods:
            find("methods", entry.method)
        return study


def _entries(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What a study's file says, over what its bases say; `null` takes out what a base names."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; name a study such as recipes/study/table1-small.yaml."
        )
    if path in above:
        raise ValueError(f"{path} is its own base; take it out of `base`.")
    try:
        own = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(own, dict):
        raise ValueError(  # noqa: TRY004 - what the user wrote is a wrong value
            f"{path} holds no entries; write `name: …` and so on, a line each."
        )
    found: dict[str, Any] = {}
    bases = own.get("base") or []
    if not isinstance(bases, str | list):
        raise ValueError(  # noqa: TRY004 - what the user wrote is a wrong value
            f"{path}: base names files, as in `base: [base/small.yaml]`."
        )
    for base in [bases] if isinstance(bases, str) else bases:
        found = merge(found, _entries(path.parent / str(base), (*above, path)))
    found = merge(found, own)
    for key in ("data", "networks", "streets"):
        if isinstance(found.get(key), dict):
            found[key] = {label: entry for label, entry in found[key].items() if entry is not None}
    return found


@dataclass(frozen=True)
class Planned:
    """One run of a study."""

    data: str
    network: str
    method: str
    """Label of its row; `teacher` for teachers."""
    seed: int
    job: Job

    def cross_key(self, study: Study, data: str) -> str:
        """Names its scores on other data, by these and by the common classes."""
        text = json.dumps([study.data[data], study.cross], sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{data}-{key}"

    def cross_file(self, study: Study, data: str) -> Path:
        """Where its scores on other data are kept."""
        return self.job.recipe.output / CROSS.format(self.cross_key(study, data))


def plan(study: Study, output: Path, packed: Container[str] = ()) -> list[Planned]:
    """All runs, teachers first, each in a folder named by the hash of its settings.

    Runs with the same settings are one run, so that studies in one folder share them.

    Args:
        study: what to run.
        output: folder of all runs.
        packed: names of the runs that are done and whose folders may be gone.

    Raises:
        ValueError: settings that are no recipe.
    """
    runs: list[Planned] = []
    teachers: dict[tuple[str, str], Job] = {}
    for data, network in product(study.data, study.networks):
        base = _base(study, data, network)
        recipe = _recipe(merge(base, {"role": "teacher"} | study.teacher))
        job = _job(recipe, output, None, packed)
        teachers[data, network] = job
        runs.append(Planned(data, network, "teacher", recipe.training.seed, job))
    for seed, data, network, entry in product(
        study.seeds, study.data, study.networks, study.methods
    ):
        base = _base(study, data, network)
        settings = merge(merge(base, entry.settings), {"training": {"seed": seed}})
        teacher = teachers[data, network] if entry.method != "none" else None
        if teacher is not None:
            chosen = entry.model_dump(
                include={"method", "preset", "options", "features", "teacher_features"}
            )
            settings["distill"] = chosen | {"teacher": str(teacher.recipe.output)}
        job = _job(_recipe(settings), output, teacher, packed)
        runs.append(Planned(data, network, entry.name, seed, job))
    return runs


def _base(study: Study, data: str, network: str) -> dict[str, Any]:
    """The settings of all runs with these data and this network."""
    chosen = study.networks[network]
    section = chosen.model_dump(include={"name", "options"}, exclude_defaults=True)
    return merge(
        merge(study.settings, chosen.settings), {"data": study.data[data], "network": section}
    )


def _recipe(settings: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise ValueError(
            f"The study's settings are no recipe: {explain_validation(error)}"
        ) from None


def _job(recipe: Recipe, output: Path, teacher: Job | None, packed: Container[str]) -> Job:
    name = run_name(recipe, teacher)
    placed = recipe.model_copy(update={"output": output / "runs" / name})
    return Job(name, placed, needs=teacher.name if teacher else None, packed=name in packed)


def _settled(method: str, preset: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a method, so that another default makes another run."""
    cls: Any = find("methods", method).load()
    parameters = inspect.signature(cls).parameters.values()
    found = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    found = merge(merge(found, cls.presets.get(preset, {})), options)
    parts = entries("methods")
    return {
        k: _settled(k, None, v or {}) if k in parts and isinstance(v, Mapping | None) else v
        for k, v in found.items()
    }


def _described(path: Path) -> object:
    """What a description of data says; a wrong one is the training's to refuse."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def run_name(recipe: Recipe, teacher: Job | None = None) -> str:
    """Hash of all settings that a result depends on; the teacher counts by its own.

    >>> run_name(Recipe()) == run_name(Recipe(output="elsewhere"))
    True
    """
    kept = recipe.model_dump(
        mode="json",
        exclude={"output": True, "training": OWN_BUSINESS, "data": {"cache"}},
        exclude_defaults=True,
    )
    kept = {section: chosen for section, chosen in kept.items() if chosen != {}}
    kept["defaults"] = DEFAULTS
    if recipe.data.root is not None and recipe.data.root.is_file():
        kept["data"]["described"] = _described(recipe.data.root)
    if recipe.distill and teacher is not None:
        distill = recipe.distill
        kept["distill"]["teacher"] = teacher.name
        kept["distill"]["options"] = _settled(distill.method, distill.preset, distill.options)
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
