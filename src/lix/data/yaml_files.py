"""YAML files of users, read as plain values: no code, no bombs, nothing misread in silence."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from lix.core.errors import UserError

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000
"""Maximum number of values of a file, those behind its aliases counted each time."""
MAX_SHOWN = 40
"""Maximum number of characters shown of a value."""
_MISREAD = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Numbers of base 8 or 60, which YAML makes of 010 and 1:30."""


def load_yaml(path: Path, *, truth: bool = True) -> Any:
    """The value of a YAML file; None if it is empty.

    Args:
        path: the file.
        truth: whether the file has entries that are true or false; where it has none, a bare
            `no` is a name that was not quoted.

    Raises:
        OSError: the file cannot be read.
        UserError: it is not YAML, expands to too much, has a key twice, or a word or number that
            YAML takes for another; one sentence that names file and line, but quotes no line,
            which may be that of another file than the user thinks.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UserError(
            f"{path} has {size / 1e6:.1f} MB, too much for a file of settings; name another file.",
            path,
            kind="yaml",
        )
    try:
        return parse_yaml(path.read_bytes(), truth=truth)
    except _RefusedError as error:
        raise UserError(f"{path}, line {error.line}: {error}.", path, kind="yaml") from None
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not valid YAML: {reason}.", path, kind="yaml") from None


def parse_yaml(text: str | bytes, *, truth: bool = True) -> Any:
    """The value of YAML text, or of its bytes; `truth` as in `load_yaml`.

    Raises:
        ValueError: it is not YAML, or expands to too much; half a sentence.
    """
    loader = None
    try:
        loader = _Loader(text)
        loader.truth = truth
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        place = f"line {where.line + 1}, column {where.column + 1}: " if where else ""
        raise ValueError(f"{place}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    finally:
        if loader is not None:
            loader.dispose()


class _RefusedError(ValueError):
    """An entry that is not read; `line` counts from 1."""

    def __init__(self, node: yaml.Node, message: str) -> None:
        super().__init__(message)
        self.line = node.start_mark.line + 1


class _Loader(yaml.SafeLoader):
    """`SafeLoader` that counts values first and refuses what it would misread."""

    truth = True

    def construct_document(self, node: yaml.Node) -> Any:
        _count(node, {})
        return super().construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _RefusedError:
            raise
        except (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError):
            kind, value = node.tag.rpartition(":")[2], str(node.value)[:MAX_SHOWN]
            problem = f"{value!r} cannot be read as {kind}; write it in quotes"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: dict[Hashable, yaml.Node] = {}
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in keys:
                first = keys[key].start_mark.line + 1
                shown = repr(key)[:MAX_SHOWN]
                raise _RefusedError(
                    key_node, f"{shown} is already written in line {first}; write it once"
                )
            if isinstance(key, Hashable):
                keys[key] = key_node
        return super().construct_mapping(node, deep=deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """A number, unless it is one of base 8 or 60."""
        text = self.construct_scalar(node)
        kind = node.tag.rpartition(":")[2]
        value = (self.construct_yaml_int if kind == "int" else self.construct_yaml_float)(node)
        if _MISREAD.fullmatch(text):
            plain = "write the number plainly" if ":" in text else "leave out the 0 in front"
            fix = f"{plain}, or write '{text[:MAX_SHOWN]}' in quotes"
            raise _RefusedError(node, f"YAML reads {text[:MAX_SHOWN]} as {value}; {fix}")
        return value

    def construct_truth(self, node: yaml.ScalarNode) -> Any:
        """A truth value, where the file may have one."""
        value = self.construct_yaml_bool(node)
        if not self.truth:
            text = self.construct_scalar(node)
            raise _RefusedError(
                node, f"YAML reads {text} as {str(value).lower()}; write '{text}' in quotes"
            )
        return value


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.construct_truth)


def _count(node: yaml.Node, counts: dict[int, int]) -> int:
    """Number of values of a node, those behind aliases counted each time."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in counts:
        counts[id(node)] = -1
        children = node.value
        if isinstance(node, yaml.MappingNode):
            children = [part for pair in node.value for part in pair]
        counts[id(node)] = 1 + sum(_count(child, counts) for child in children)
    if counts[id(node)] < 0:
        raise _RefusedError(node, "a value contains itself; write it plainly")
    if counts[id(node)] > MAX_VALUES:
        raise _RefusedError(node, f"its aliases expand to more than {MAX_VALUES} values")
    return counts[id(node)]
