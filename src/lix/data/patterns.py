"""Glob patterns whose wildcards stand for the same text in partner files."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

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
        ValueError: a range in brackets that is none, such as [z-a].
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
        ValueError: no file fits, or two files have one name.
    """
    files: dict[str, Path] = {}
    try:
        paths = sorted(path for path in base.glob(pattern) if path.is_file())
    except ValueError as error:
        raise ValueError(
            f"{pattern} is not a pattern ({error}); write `**/*` for subfolders."
        ) from None
    for path in paths:
        key = name(pattern, path.relative_to(base)) or path.stem
        if key in files:
            raise ValueError(
                f"{files[key]} and {path} both fit {pattern} as {key!r}; name the file type."
            )
        files[key] = path
    if not files:
        raise ValueError(f"No file fits {base / pattern}; correct the pattern or `root`.")
    return files


def _regular(token: str) -> str:
    if TOKEN.fullmatch(token) is None:
        return re.escape(token)
    return WILDCARDS.get(token) or f"({token.replace('[!', '[^')})"
