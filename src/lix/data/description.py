"""The YAML file by which users describe their own images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from lix.core.errors import unknown
from lix.data.options import as_tuple
from lix.data.patterns import regular
from lix.data.splits import SPLITS, Split
from lix.data.x_files import XFiles
from lix.data.yaml_files import load_yaml

Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]


def _relative(pattern: str) -> str:
    if not pattern or pattern.startswith("/"):
        raise ValueError("a pattern is a path relative to `root`")
    if ".." in PurePath(pattern).parts:
        raise ValueError("a pattern stays below `root`; set `root` to the folder of both")
    regular(pattern)
    return pattern


def _by_value(classes: object) -> object:
    """Names in order → value: name."""
    if isinstance(classes, Mapping):
        values = [str(value).strip() for value in classes]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ValueError(f"the value {twice} is written twice; give it one name")
    if not isinstance(classes, list | tuple):
        return classes
    if None in classes:
        raise ValueError("a class has no name; write names such as ~ in quotes")
    if len(set(map(str, classes))) < len(classes):
        raise ValueError("two classes have the same name; to merge values write `value: name`")
    return dict(enumerate(classes))


Pattern = Annotated[str, AfterValidator(_relative)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Files(_Section):
    """Where the files of a split are: glob patterns relative to `root`.

    Partners are the files for which `*` and `**` stand for the same text.
    """

    image: Pattern
    label: Pattern = ""
    """Pattern of label files; needed wherever labels are read."""
    x: Annotated[tuple[Pattern, ...], BeforeValidator(as_tuple)] = ()
    """A pattern for each X."""
    list: Path | None = None
    """Text file, relative to the YAML file, with a frame's name or image a line; default: all."""


class Description(_Section):
    """The YAML file."""

    root: Path = Path()
    """Folder of the images, relative to the YAML file."""
    classes: Annotated[
        Mapping[int, str], BeforeValidator(_by_value), Field(min_length=2, max_length=254)
    ] = {}
    """Names in the order of the label values, from 0; or value: name, where several values may
    share a name. Needed wherever labels are read."""
    palette: Sequence[Colour] = ()
    """RGB by class, for pictures, and for labels that are stored in these colours."""
    ignore: Annotated[tuple[int | Colour, ...], BeforeValidator(as_tuple)] = ()
    """Label values, or colours, to ignore; 255 is always ignored."""
    not_scored: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    """Classes that networks learn and predict, but that no score contains."""
    x: Annotated[tuple[XFiles, ...], BeforeValidator(as_tuple)] = ()
    """What the files of each X hold."""
    intrinsics: tuple[float, float, float, float] | None = None
    """fx, fy, cx, cy in pixels."""
    conditions: Path | None = None
    """Table of the frames' conditions (CSV: `frame,weather,…`), relative to the YAML file, for
    scores by them."""
    train: Files
    """Files of the training split; the path of its list where `files` has the patterns of both."""
    val: Files
    """Files of the validation split, as `train`; may be left out where no labels are read."""
    test: Files | None = None
    """Files of the split that only `lix eval --split test` opens."""

    @property
    def names(self) -> tuple[str, ...]:
        """Class names by train id."""
        return tuple(dict.fromkeys(self.classes.values()))

    @property
    def splits(self) -> dict[Split, Files]:
        """Where the files of each split are."""
        parts: dict[Split, Files] = {"train": self.train, "val": self.val}
        return parts | ({"test": self.test} if self.test else {})

    @property
    def train_ids(self) -> dict[int, int]:
        """Label value → train id, 255 for those that are ignored."""
        ids = {value: self.names.index(name) for value, name in self.classes.items()}
        ids = {value: 255 if i in self._ignored else i for value, i in ids.items()}
        return {255: 255} | ids | {value: 255 for value in self.ignore if isinstance(value, int)}

    @property
    def colour_ids(self) -> dict[Colour, int]:
        """Colour of labels → train id, 255 for those that are ignored."""
        ids = {c: 255 if i in self._ignored else i for i, c in enumerate(self.palette)}
        return ids | {c: 255 for c in self.ignore if not isinstance(c, int)}

    @property
    def _ignored(self) -> set[int]:
        """Train ids of classes whose colour, or each of whose values, is under `ignore`."""
        kept = {name for value, name in self.classes.items() if value not in self.ignore}
        return {
            i
            for i, name in enumerate(self.names)
            if name not in kept or (self.palette and self.palette[i] in self.ignore)
        }

    @model_validator(mode="before")
    @classmethod
    def _files_of_both(cls, entries: Any, info: ValidationInfo) -> Any:
        if isinstance(entries, dict) and info.context == UNLABELLED and "files" not in entries:
            return {"val": entries.get("train")} | entries
        if not isinstance(entries, dict) or "files" not in entries:
            return entries
        entries = dict(entries)
        files = entries.pop("files")
        for split in ("train", "val", *(["test"] if entries.get("test") else [])):
            given = entries.get(split) or {}
            own = {"list": given} if isinstance(given, str) else given
            if isinstance(files, dict) and isinstance(own, dict):
                entries[split] = files | own
        return entries

    @model_validator(mode="after")
    def _check(self) -> Description:
        if self.palette and len(self.palette) != len(self.names):
            raise ValueError(f"there are {len(self.names)} classes but {len(self.palette)} colours")
        for i, colour in enumerate(self.palette):
            first = self.palette.index(colour)
            if first < i and colour not in self.ignore:
                raise ValueError(
                    f"the classes {self.names[first]} and {self.names[i]} have the same colour "
                    f"{list(colour)}; give each its own, or merge them with `value: name`"
                )
        for name in self.not_scored:
            if name not in self.names:
                raise ValueError(f"not_scored: {unknown('class', name, self.names)}".rstrip("."))
        if self.classes and set(self.not_scored) == set(self.names):
            raise ValueError("every class is under `not_scored`; leave one out there")
        for split, files in self.splits.items():
            named = files.x
            if named and not self.x:
                raise ValueError(
                    "files of X are named, but not what they hold; describe it under `x`"
                )
            if named and len(named) != len(self.x):
                raise ValueError(
                    f"{split} names {len(named)} pattern(s) of X, but `x` describes {len(self.x)}"
                )
        return self


MAX_LENGTH_SHOWN = 120
"""Maximum number of characters of a wrong value that a message shows."""
UNLABELLED = "unlabelled"
"""Context of a description that is read to open images without labels."""
SECTIONS: dict[str, type[BaseModel]] = {**dict.fromkeys(SPLITS, Files), "x": XFiles}


def read_yaml(path: Path, *, labelled: bool = True) -> Description:
    """Read and check a description.

    Args:
        path: the YAML file.
        labelled: False: `classes`, `label` and `val` may be left out.

    Raises:
        FileNotFoundError: no YAML file there.
        ValueError: a wrong entry; one sentence that names it.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; describe your data in it (docs/your-data.md shows how)."
        )
    try:
        entries = load_yaml(path, truth=False) or {}
        description = Description.model_validate(entries, context=None if labelled else UNLABELLED)
    except ValidationError as error:
        raise ValueError(f"{path}: {_explain(error)}") from None
    needed = {"classes": bool(description.classes)}
    needed |= {f"{split}.label": bool(part.label) for split, part in description.splits.items()}
    missing = next((entry for entry, value in needed.items() if not value), None)
    if labelled and missing:
        raise ValueError(f"{path}: {_missing(missing)}")
    return description


def _explain(error: ValidationError) -> str:
    """The most telling complaint of pydantic as one sentence with the fix."""
    first = max(error.errors(), key=lambda complaint: complaint["type"] == "extra_forbidden")
    places = [str(part) for part in first["loc"]] or ["file"]
    if places[:2] == ["x", "0"]:
        del places[1]  # one X has no number
    *sections, key = places
    if first["type"] == "extra_forbidden":
        model = SECTIONS[sections[0]] if sections else Description
        entries = [*model.model_fields, *([] if sections else ["files"])]
        return unknown(" ".join(["entry", *sections]), key, entries)
    where = ".".join([*sections, key])
    if first["type"] == "missing":
        return _missing(where)
    if first["type"] in ("model_type", "model_attributes_type"):
        got = shortened(first["input"])
        return f"{where} is a group of entries, got {got}; docs/your-data.md shows it."
    if key == "[key]":
        return f"{where}: a label value is a number; write `value: name`, as in `7: road`."
    got = "" if key == "file" else f", got {shortened(first['input'])}"
    if first["type"] == "string_type":
        return f"{where}: a name is text{got}; write it in quotes."
    return f"{where}: {first['msg'].removeprefix('Value error, ')}{got}."


def shortened(value: object) -> str:
    """A value as code, cut after a line."""
    text = repr(value)
    return text if len(text) <= MAX_LENGTH_SHOWN else text[:MAX_LENGTH_SHOWN] + " …"


def _missing(entry: str) -> str:
    return f"the entry `{entry}` is missing; docs/your-data.md shows what belongs into the file."
