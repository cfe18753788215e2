"""The YAML file of a study: what `lix study` runs, over which data, networks, methods and seeds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from lix.core.errors import unknown
from lix.core.registry import find, merge
from lix.data.yaml_files import load_yaml
from lix.runs.places import find_recipe
from lix.runs.recipe import explain_validation
from lix.runs.settings import Section

TAUGHT = "taught teacher"
"""Label of the row of the teachers that have learnt on unlabelled frames."""


def _reject_reserved(settings: dict[str, Any]) -> dict[str, Any]:
    """Refuse settings of runs that other entries of a study set."""
    for key in ("output", "role", "distill"):
        if key in settings:
            raise ValueError(f"a study sets {key} itself; take it out of the settings")
    return settings


Settings = Annotated[dict[str, Any], AfterValidator(_reject_reserved)]


def _check_settings(section: dict[str, Any]) -> dict[str, Any]:
    """Refuse the same in the settings of some data."""
    settings = section.get("settings", {})
    if not isinstance(settings, dict):
        raise ValueError("the settings of data are sections of a recipe")  # noqa: TRY004
    _reject_reserved(settings)
    return section


DataEntry = Annotated[dict[str, Any], AfterValidator(_check_settings)]


def _entry(value: object) -> object:
    return {"method": value} if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Streets(Section):
    """Procedural Streets that the study makes where they are missing."""

    images: int = Field(ge=1)
    val_images: int = Field(ge=1)
    size: tuple[int, int]
    seed: int = 0
    world: str = "town"


class NetworkEntry(Section):
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
    unlabelled: bool | dict[str, Any] = False
    """Whether the study's unlabelled frames join its batches; or settings of the section
    `unlabelled`, such as another `root`, which win over the study's."""
    teacher: Literal["rgb-x", "taught", "rgb", "truth"] = "rgb-x"
    """Who teaches: the study's teacher; one that has learnt its classes on the unlabelled frames
    (noisy student); the plain student of the same seed (self-training); or on unlabelled frames
    their true labels (the ceiling)."""
    settings: Settings = {}
    """Other settings of the run, as in a recipe."""
    data: tuple[str, ...] = ()
    """Labels of the data that the row is for; none: all."""

    @model_validator(mode="after")
    def _has_a_teacher(self) -> Entry:
        if self.teacher == "truth" and not (self.unlabelled and self.method == "none"):
            raise ValueError(
                "a row taught by the truth has `method: none` and `unlabelled: true`; correct it"
            )
        if self.teacher == "taught" and not self.unlabelled:
            raise ValueError("a taught teacher learns on unlabelled frames; add `unlabelled: true`")
        if self.unlabelled and self.method == "none" and self.teacher != "truth":
            raise ValueError("unlabelled frames teach nothing without a method; name one")
        return self

    @property
    def name(self) -> str:
        """Name of the row in tables."""
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
    """Files next to this one whose entries it takes over; later files win, this one over all."""
    name: str = Field(pattern=r"^\w[^/\\]*$")
    """Name of its folder."""
    title: str = ""
    settings: Settings = {}
    """Settings that all runs share, as in a recipe of `lix train`."""
    data: dict[str, DataEntry]
    """Label → the section `data` of its runs, and `settings`: other settings of theirs."""
    streets: dict[str, Streets] = {}
    """Folder → the Procedural Streets to make there."""
    networks: dict[str, NetworkEntry]
    """Label → the section `network` of its runs, with other settings."""
    methods: tuple[Annotated[Entry, BeforeValidator(_entry)], ...] = ()
    """Rows of students; `none` is the undistilled one."""
    seeds: tuple[int, ...] = (0, 1, 2)
    teacher: Settings = {}
    """Other settings of the teachers, as in a recipe."""
    unlabelled: dict[str, dict[str, Any]] = {}
    """Label of data → the section `unlabelled` of those of its rows that ask for it."""
    average_last: Annotated[int, Field(ge=1)] | None = 5
    """Number of evaluations at the end of a run whose mean is its result; None: its result is that
    of the weights it ends with."""
    pool: str | None = None
    """Heading of one more table, of all data as one, such as the cuts of a cross-validation; a run
    is paired with those of the same data and seed."""
    paper: Literal["I", "II", "III"] | None = None
    """Table of the paper with the same set-up, shown next to the results."""
    cross: dict[str, tuple[str, ...]] | Literal["same"] | None = None
    """Test each student on the other data too, on the classes that both have: those with the
    `same` name, or common class → names."""
    amounts: str | None = None
    """What data that are called `40 labels`, `80 labels`, … differ by: a figure shows scores over
    the number, a table how much of it the plain student needs to be as good."""
    sweep: str | None = None
    """Option whose values are the horizontal axis of a figure."""
    pictures: tuple[Pictures, ...] = ()
    """Pictures of predictions to draw."""

    @property
    def teachers(self) -> list[str]:
        """Labels of the rows of teachers."""
        is_taught = any(entry.teacher == "taught" for entry in self.methods)
        return ["teacher", TAUGHT] if is_taught else ["teacher"]

    @classmethod
    def load(cls, path: Path) -> Study:
        """Read a study.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a wrong entry; one sentence that names it.
        """
        path = find_recipe(path)
        try:
            study = cls.model_validate(_entries(path))
        except ValidationError as error:
            raise ValueError(f"{path}: {explain_validation(error, cls)}") from None
        if study.pool in study.data:
            raise ValueError(
                f"{path}: some data are called {study.pool!r} already; give `pool` another name."
            )
        labels = [*study.teachers, *(entry.name for entry in study.methods)]
        for name in [name for shown in study.pictures for name in shown.methods]:
            if name not in labels:
                raise ValueError(f"{path}: {unknown('row of the study', name, sorted(labels))}")
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"{path}: two rows are called {label!r}; give one a label.")
        try:
            for entry in study.methods:
                find("methods", entry.method)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        _check_sources(study, path)
        _check_data(study, path)
        return study


def _check_sources(study: Study, path: Path) -> None:
    """Check that rows find their unlabelled frames and their RGB teacher.

    Raises:
        ValueError: something is missing.
    """
    for entry in study.methods:
        has_own = isinstance(entry.unlabelled, dict) and "root" in entry.unlabelled
        used = set(entry.data or study.data)
        missing = set() if has_own else used - study.unlabelled.keys()
        if entry.unlabelled and missing:
            raise ValueError(
                f"{path}: {entry.name} asks for unlabelled frames; name those of "
                f"{', '.join(sorted(missing))} under `unlabelled`."
            )
        if entry.teacher == "rgb" and not any(
            other.method == "none" and other.teacher != "truth" and not other.settings
            for other in study.methods
        ):
            raise ValueError(
                f"{path}: {entry.name} learns from the plain student; add the row `none`."
            )


def _check_data(study: Study, path: Path) -> None:
    """Check the labels of data that rows and amounts name.

    Raises:
        ValueError: there are no such data, or their label begins with no number.
    """
    for label in (label for entry in study.methods for label in entry.data):
        if label not in study.data:
            raise ValueError(f"{path}: {unknown('data of the study', label, sorted(study.data))}")
    for label in study.data if study.amounts else ():
        if not re.fullmatch(rf"[0-9.]+ {re.escape(str(study.amounts))}", label):
            raise ValueError(
                f"{path}: the data {label!r} are not called `NUMBER {study.amounts}`, from which "
                "`amounts` takes the number; rename them."
            )


def _entries(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A study's entries over those of its bases; `null` takes out what a base names."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; name a study such as recipes/study/table1-small.yaml."
        )
    if path in above:
        raise ValueError(f"{path} is its own base; take it out of `base`.")
    own = load_yaml(path) or {}
    if not isinstance(own, dict):
        raise ValueError(  # noqa: TRY004 - what the user wrote is a wrong value
            f"{path} holds no entries; write `name: …` and so on, a line each."
        )
    entries: dict[str, Any] = {}
    bases = own.get("base") or []
    if not isinstance(bases, str | list):
        raise ValueError(  # noqa: TRY004 - what the user wrote is a wrong value
            f"{path}: base names files, as in `base: [base/small.yaml]`."
        )
    for base in [bases] if isinstance(bases, str) else bases:
        entries = merge(entries, _entries(path.parent / str(base), (*above, path)))
    entries = merge(entries, own)
    for key in ("data", "networks", "streets", "unlabelled"):
        if isinstance(entries.get(key), dict):
            entries[key] = {
                label: entry for label, entry in entries[key].items() if entry is not None
            }
    return entries
