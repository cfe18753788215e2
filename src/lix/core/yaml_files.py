"""YAML files of users, read as plain values: no code, no bombs, and one sentence where wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000
"""Maximum number of values of a file, those behind its aliases counted each time."""
MAX_SHOWN = 40
"""Maximum number of characters shown of a value."""


def load_yaml(path: Path) -> Any:
    """The value of a YAML file; None if it is empty.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not YAML, or expands to too much; one sentence that names file and line,
            but quotes no line, which may be that of another file than the user thinks.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path} has {size / 1e6:.1f} MB, too much for a file of settings; name another file."
        )
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None


def parse_yaml(text: str) -> Any:
    """The value of YAML text.

    Raises:
        ValueError: it is not YAML, or expands to too much; half a sentence.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - derived from SafeLoader
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        place = f"line {where.line + 1}, column {where.column + 1}: " if where else ""
        raise ValueError(f"{place}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


class _Loader(yaml.SafeLoader):
    """`SafeLoader` that counts values first, and whose own errors are those of YAML."""

    def construct_document(self, node: yaml.Node) -> Any:
        _count(node, {})
        return super().construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError):
            kind, value = node.tag.rpartition(":")[2], str(node.value)[:MAX_SHOWN]
            raise _error(node, f"{value!r} cannot be read as {kind}; write it in quotes") from None


def _count(node: yaml.Node, counts: dict[int, int]) -> int:
    """Number of values of a node, those behind aliases counted each time."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in counts:
        counts[id(node)] = -1
        children = node.value
        if isinstance(node, yaml.MappingNode):
            _require_different_keys(node)
            children = [part for pair in node.value for part in pair]
        counts[id(node)] = 1 + sum(_count(child, counts) for child in children)
    if counts[id(node)] < 0:
        raise _error(node, "a value contains itself")
    if counts[id(node)] > MAX_VALUES:
        raise _error(node, f"its aliases expand to more than {MAX_VALUES} values")
    return counts[id(node)]


def _require_different_keys(node: yaml.MappingNode) -> None:
    first: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if (key.tag, key.value) in first:
            line = first[key.tag, key.value]
            raise _error(key, f"{key.value[:MAX_SHOWN]!r} is written twice, first in line {line}")
        first[key.tag, key.value] = key.start_mark.line + 1


def _error(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
