"""Which data set a path is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lix.core.registry import entries, find

MANY = 8
"""So much of a folder an error names."""


def recognise(path: Path, name: str | None = None) -> str:
    """The catalog name of the data set at `path`, or `name` if that is given and known.

    A YAML file is a `folder`; of several data sets that recognise a folder the first is taken.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: no such data set, none that recognises the path, or it may not be read.
    """
    try:
        return _recognise(path, name)
    except PermissionError as error:
        raise ValueError(
            f"{error.filename or path} may not be read by you; allow it, as with `chmod -R u+rX "
            f"{path}`, or name a folder that you may read."
        ) from None


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
    for found in _fitting(path):
        return found
    raise ValueError(f"{path} looks like none of {', '.join(entries('datasets'))}: {_hint(path)}")


def _fitting(folder: Path) -> Iterator[str]:
    for entry in entries("datasets").values():
        if entry.load().recognises(folder):
            yield entry.name


def _hint(folder: Path) -> str:
    """What to do about a folder that nothing recognises."""
    children = sorted(folder.iterdir())
    for near in (*filter(Path.is_dir, children), folder.absolute().parent):
        with suppress(PermissionError):
            found = next(_fitting(near), None)
            if found:
                return f"did you mean {near}, which looks like {found}?"
    names = [child.name for child in children]
    holds = ", ".join(names[:MANY]) + (", …" if len(names) > MANY else "") or "nothing"
    return (
        f"it holds {holds}; say which it is with --name, or describe your own images in "
        f"{folder / 'lix.yaml'} (docs/your-data.md)."
    )
