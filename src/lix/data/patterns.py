"""Finding files: one walk for all of lix, and glob patterns with partner files."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from lix.data.archives import SUFFIX, members
from lix.data.readers import is_missing_allowed, reading

WILDCARDS = {"**/": "((?:.*/)?)", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}
TOKEN = re.compile(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])")


def wildcards(pattern: str) -> list[str]:
    """The wildcards of a glob pattern.

    >>> wildcards("left/**/*_[0-9].png")
    ['**/', '*', '[0-9]']
    """
    return TOKEN.findall(pattern)


def regular(pattern: str) -> re.Pattern[str]:
    """A glob pattern as a regular expression whose groups are the wildcards.

    Raises:
        ValueError: a range in brackets is invalid, such as [z-a].
    """
    try:
        return re.compile("".join(map(_regular, TOKEN.split(pattern))))
    except re.error as error:
        raise ValueError(f"{pattern} is not a pattern ({error}); correct its [ ].") from None


def insert(pattern: str, texts: tuple[str, ...]) -> str:
    """The pattern with texts in place of its wildcards.

    >>> insert("right/*.png", ("7",))
    'right/7.png'
    """
    remaining = iter(texts)
    return "".join(next(remaining) if TOKEN.fullmatch(t) else t for t in TOKEN.split(pattern))


def name(pattern: str, path: Path) -> str:
    """What the wildcards stand for in a path, whatever its suffix; '' where it does not fit.

    >>> name("rgb/**/*_im.png", Path("rgb/day/7_im.jpg"))
    'day/7'
    """
    match = regular(str(PurePosixPath(pattern).with_suffix(""))).fullmatch(
        path.with_suffix("").as_posix()
    )
    texts = (text.removesuffix("/") for text in match.groups()) if match else ()
    return "/".join(filter(None, texts))


def matches(base: Path, pattern: str) -> dict[str, Path]:
    """Files below a folder by what the wildcards stand for.

    Raises:
        ValueError: not a pattern, no file fits, or two files have one name.
    """
    files: dict[str, Path] = {}
    for path in find_files(base, pattern):
        key = name(pattern, path.relative_to(base)) or path.stem
        if key in files:
            raise ValueError(
                f"{files[key]} and {path} both fit {pattern} as {key!r}; name the file type."
            )
        files[key] = path
    if not files:
        raise ValueError(f"No file fits {base / pattern}; correct the pattern or `root`.")
    return files


def find_files(base: Path, pattern: str, without: Collection[Path] = ()) -> list[Path]:
    """Files below a folder that fit a glob pattern, as `walk` finds them, sorted.

    Hidden files and folders fit only where the pattern itself has a dot at their place.
    Archives are looked into where a part of the pattern before its last ends with `.tar`.

    Args:
        base: the folder.
        pattern: relative to it.
        without: folders that are left out.

    Raises:
        ValueError: not a pattern.
    """
    pattern = PurePosixPath(pattern).as_posix()
    parts = pattern.split("/")
    if pattern.startswith("/") or any("**" in part and part != "**" for part in parts):
        raise ValueError(f"{pattern} is not a pattern; write `**/*` for subfolders.")
    try:
        whole, each = regular(pattern), [regular(part) for part in parts]
    except re.error as error:
        raise ValueError(f"{pattern} is not a pattern ({error}); correct its [ ].") from None
    is_open = [bool(TOKEN.search(part)) or part.endswith(SUFFIX) for part in parts]
    fixed = is_open.index(True) if True in is_open else len(parts) - 1

    def fits(names: tuple[str, ...]) -> bool:
        """Whether a file that fits may lie below the folder of these names."""
        for part, expression, name in zip(parts[fixed:], each[fixed:], names, strict=False):
            if part == "**":
                return True
            if not expression.fullmatch(name) or is_hidden(name) > is_hidden(part):
                return False
        return len(names) < len(parts) - fixed

    start = base.joinpath(*parts[:fixed])
    hidden = any(is_hidden(part) for part in parts[fixed:])
    archives = any(part.endswith(SUFFIX) for part in parts[:-1])
    return [
        path
        for path in walk(start, fits=fits, without=without, hidden=hidden, archives=archives)
        if whole.fullmatch(path.relative_to(base).as_posix())
        and is_hidden(path.name) <= is_hidden(parts[-1])
    ]


def walk(
    folder: Path,
    *,
    fits: Callable[[tuple[str, ...]], bool] | None = None,
    without: Collection[Path] = (),
    hidden: bool = False,
    archives: bool = False,
) -> list[Path]:
    """All files below a folder, sorted; links are followed, but not into a folder around them.

    Hidden ones are left out, with the `._` files that macOS leaves. A link to nothing is a file:
    whoever reads it says that it is missing.

    Args:
        folder: where to begin.
        fits: whether to look into a folder, by the names of the folders from `folder` to it; None:
            into all.
        without: folders that are left out.
        hidden: take hidden ones too.
        archives: look into `.tar` files as if they were folders.

    Raises:
        DataError: a folder may not be read, or an archive is damaged.
    """
    left_out = {path.resolve() for path in without}

    def below(current: Path, names: tuple[str, ...], around: frozenset[Path]) -> Iterator[Path]:
        place = current.resolve()
        if place in around or place in left_out:
            return
        with reading(current):
            children = sorted(current.iterdir())
        for child in children:
            if is_hidden(child.name) and not hidden:
                continue
            if child.is_dir():
                deeper = (*names, child.name)
                if fits is None or fits(deeper):
                    yield from below(child, deeper, around | {place})
            elif archives and child.suffix == SUFFIX:
                if fits is None or fits((*names, child.name)):
                    with reading(child):
                        inside = [child / name for name in members(child)]
                    yield from (path for path in inside if hidden or not is_hidden(path.name))
            elif child.is_file() or child.is_symlink():
                yield child

    return sorted(below(folder, (), frozenset())) if folder.is_dir() else []


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden."""
    return name.startswith(".") and name not in (".", "..")


def _regular(token: str) -> str:
    if TOKEN.fullmatch(token) is None:
        return re.escape(token)
    return WILDCARDS.get(token) or f"({token.replace('[!', '[^')})"


class Partners:
    """Files for which the wildcards stand for the same text as in the images."""

    def __init__(self, base: Path, pattern: str) -> None:
        self.base, self.pattern = base, pattern

    @cached_property
    def _paths(self) -> dict[str, Path]:
        return matches(self.base, self.pattern)

    def path(self, frame: str) -> Path:
        return self._paths.get(frame, self.base / self.pattern)

    def require(self, frames: Iterable[str]) -> None:
        """Check that every frame has a partner.

        Raises:
            ValueError: some have none.
        """
        ids = set(frames)
        missing = sorted(ids - self._paths.keys())
        if missing and not is_missing_allowed():
            raise ValueError(
                f"{len(missing)} of {len(ids)} images have no partner in "
                f"{self.base / self.pattern}, first {', '.join(missing[:3])}; the wildcards of "
                "image and partner must stand for the same text."
            )
