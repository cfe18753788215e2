"""A recipe: all settings of one run, merged once from a YAML file and flags, which win.

Loads neither torch nor NumPy, so that `lix --help` stays fast.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError, model_validator

from lix.core.files import write_text
from lix.core.registry import entries, find, merge
from lix.data.yaml_files import load_yaml
from lix.runs.places import find_recipe, resolve
from lix.runs.settings import Distillation, Settings, Unlabelled


class Recipe(Settings):
    """All settings of one run."""

    role: Literal["teacher", "student"] = "student"
    """A teacher sees RGB and X, a student RGB only."""
    distill: Distillation | None = None
    """What is distilled; None: the network learns from labels only."""

    @property
    def keeps_best(self) -> bool:
        """Whether validation frames choose the epoch.

        They must not where unlabelled or validation frames come from elsewhere: a student that is
        best at home is not the best there, and labels of the new place may not choose.
        """
        if self.training.keep != "auto":
            return self.training.keep == "best"
        places = {drive.root for drive in self.unlabelled.sources} | {self.data.val_root}
        return places <= {None, self.data.root}

    def steps_per_epoch(self, frames: int) -> int:
        """Batches that each process gets in an epoch; what does not fill one is left out."""
        return frames // (self.optim.batch_size * self.training.processes)

    @model_validator(mode="after")
    def _evaluates_the_last_epoch(self) -> Recipe:
        epochs, every = self.training.epochs, self.training.evaluate_every
        if epochs % every:
            raise ValueError(
                f"training.epochs {epochs} is not a multiple of training.evaluate_every {every}, "
                "so the last epochs would not be evaluated; change one of them"
            )
        return self

    @model_validator(mode="after")
    def _fits_its_length_and_size(self) -> Recipe:
        warmup, crop = self.optim.warmup, self.augment.crop
        if warmup >= self.training.epochs:
            raise ValueError(
                f"optim.warmup {warmup} leaves none of the {self.training.epochs} epochs of "
                "training.epochs; lower it"
            )
        if crop and any(part > whole for part, whole in zip(crop, self.data.size, strict=True)):
            raise ValueError(
                f"augment.crop {crop[0]} × {crop[1]} is larger than data.size "
                f"{self.data.size[0]} × {self.data.size[1]}; lower it, or raise data.size"
            )
        return self

    @model_validator(mode="after")
    def _has_one_teacher(self) -> Recipe:
        if self.unlabelled.teacher and (self.distill or self.unlabelled.truth):
            other = "the distillation has a teacher" if self.distill else "the labels are read"
            raise ValueError(
                f"unlabelled.teacher is for `lix train` without unlabelled.truth, but {other}; "
                "leave it out"
            )
        return self

    def absolute(self) -> Recipe:
        """The same with absolute paths, so that a run can be used from any folder."""
        root, distill = self.data.root, self.distill
        cache, own = self.data.cache, ("options", "train", "val")
        data = self.data.model_copy(
            update={
                "root": root.absolute() if root else None,
                "val_root": self.data.val_root.absolute() if self.data.val_root else None,
                "cache": cache.absolute() if cache else None,
                **{key: absolute_options(self.data.name, getattr(self.data, key)) for key in own},
            }
        )
        if distill and distill.teacher:
            distill = distill.model_copy(update={"teacher": distill.teacher.absolute()})
        changed = {
            "output": self.output.absolute(),
            "data": data,
            "distill": distill,
            "unlabelled": _absolute_drive(self.unlabelled, self.data.name),
        }
        return self.model_copy(update=changed)

    def without_loader_options(self) -> Recipe:
        """The same without the options of its data set's loader, which another does not take."""
        options: dict[str, Any] = {"options": {}, "train": {}, "val": {}, "val_root": None}
        return self.model_copy(update={"data": self.data.model_copy(update=options)})

    def save(self, path: Path) -> None:
        """Write the recipe as YAML; `-r` reads it back."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))

    @classmethod
    def load(cls, path: Path, **changes: Any) -> Recipe:
        """Read a recipe; settings by section, such as those of flags, win over it.

        Its paths start here or, where nothing is there, in the folder of the file.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a wrong entry; one sentence that names the file and the entry.
        """
        entries = resolve(read_recipe(path), find_recipe(path).parent)
        try:
            return cls.model_validate(merge(entries, changes))
        except ValidationError as error:
            raise ValueError(f"{path}: {explain_validation(error)}") from None


def _absolute_drive(drive: Any, name: str) -> Any:
    """A source of unlabelled frames, and those inside it, with absolute paths."""
    changed: dict[str, Any] = {
        "root": drive.root.absolute() if drive.root else None,
        "options": absolute_options(drive.name or name, drive.options),
    }
    if isinstance(drive, Unlabelled):
        changed["teacher"] = drive.teacher.absolute() if drive.teacher else None
        changed["drives"] = tuple(_absolute_drive(inner, name) for inner in drive.drives)
    return drive.model_copy(update=changed)


def read_recipe(path: Path) -> dict[str, Any]:
    """What a recipe file says, as it stands; `recipes/…` is one of lix where there is none here.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not YAML, or does not hold sections.
    """
    path = find_recipe(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; name a recipe such as recipes/streets.yaml.")
    found = load_yaml(path) or {}
    if not isinstance(found, dict):
        raise ValueError(  # noqa: TRY004 - what the user wrote is a wrong value
            f"{path} holds no sections; write `data:` and so on, as in recipes/streets.yaml."
        )
    return found


def absolute_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a data set with absolute paths; what is wrong stays as it is."""
    if name not in entries("datasets"):
        return dict(options)
    hints = get_type_hints(find("datasets", name).load().__init__, include_extras=True)

    def placed(value: object) -> object:
        if isinstance(value, list | tuple):
            return [placed(inner) for inner in value]
        if not isinstance(value, Path):
            return value
        return str(value.absolute())

    found = dict(options)
    for key, value in options.items():
        if "Path" in str(hints.get(key)):
            try:
                typed = TypeAdapter(hints[key]).validate_python(value)
            except ValidationError:
                continue
            found[key] = placed(typed)
    return found


def explain_validation(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """The first complaint of a pydantic error about a model as one sentence with the fix."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        *sections, key = map(str, first["loc"])
        fields = _fields(model or Recipe, sections)
        near = difflib.get_close_matches(key, fields, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"unknown entry {where!r}.{hint} Choose from {', '.join(fields)}."
    if first["type"] == "value_error":
        complaint = first["msg"].removeprefix("Value error, ")
        return f"{where}: {complaint}" if where else f"{complaint}."
    return f"{where}: {first['msg']}, got {first['input']!r}."


def _fields(model: type[BaseModel], sections: list[str]) -> list[str]:
    for name in sections:
        if name not in model.model_fields:
            continue  # an index or a key of a mapping
        pending: list[Any] = [model.model_fields[name].annotation]
        while pending:
            annotation = pending.pop()
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                model = annotation
                break
            pending += get_args(annotation)
    return list(model.model_fields)
