"""Finds out which data set a path is, for the commands of `lix data`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lix.core.registry import entries, find

MAX_NAMES_SHOWN = 8
"""Maximum number of names in a folder that an error lists."""


def recognise(path: Path, name: str | None = None) -> str:
    """The catalogue name of the data set at `path`, or `name` if that is given and exists.

    A YAML file is a `folder`; of several data sets that recognise a folder the first is taken.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: no such data set, none that recognises the path, or no permission to read it.
    """
    try:
        return _recognise(path, name)
    except PermissionError as error:
        raise ValueError(
            f"{error.filename or path} cannot be read: permission denied; allow it, as with `chmod "
            f"-R u+rX {path}`, or name another folder."
        ) from None


def recognise_drive(path: Path, name: str | None = None) -> str:
    """`recognise` for frames without labels: a folder that no data set knows is of plain images.

    Raises:
        FileNotFoundError, ValueError: as `recognise`.
    """
    if name is None and path.is_dir():
        with suppress(ValueError):
            return recognise(path)
        return "folder"
    return recognise(path, name)


def _recognise(path: Path, name: str | None) -> str:
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; name the data set's folder, or the YAML that describes your own."
        )
    if name is not None:
        return find("datasets", name).name
    if path.is_file():
        if path.suffix.lower() in (".yaml", ".yml"):
            return "folder"
        raise ValueError(f"{path} is neither a folder nor a YAML file; name the folder it is in.")
    for fitting in _fitting(path):
        return fitting
    raise ValueError(
        f"{path} is not a data set that lix knows ({', '.join(entries('datasets'))}): {_hint(path)}"
    )


def _fitting(folder: Path) -> Iterator[str]:
    for entry in entries("datasets").values():
        if entry.load().recognises(folder):
            yield entry.name


def _hint(folder: Path) -> str:
    """The fix for a folder that no data set recognises."""
    children = sorted(folder.iterdir())
    for near in (*filter(Path.is_dir, children), folder.absolute().parent):
        with suppress(PermissionError):
            name = next(_fitting(near), None)
            if name:
                return f"did you mean {near}, which looks like {name}?"
    names = [child.name for child in children]
    more = ", …" if len(names) > MAX_NAMES_SHOWN else ""
    holds = ", ".join(names[:MAX_NAMES_SHOWN]) + more or "nothing"
    return (
        f"it holds {holds}; say which it is with --name, or describe your own images in "
        f"{folder / 'lix.yaml'} (docs/your-data.md)."
    )
