"""The YAML files of users: what YAML would read otherwise than meant is refused by its line."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from lix.core.errors import UserError

MAX_NODES = 100_000
"""Largest number of entries, with those of all aliases, before a file counts as an attack."""
_MISREAD = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Numbers of base 8 or 60, which YAML makes of 010 and 1:30."""


def load_yaml(path: Path, *, truth: bool = True) -> Any:
    """What a YAML file holds; None where it is empty.

    Args:
        path: the file.
        truth: whether the file has entries that are true or false; where it has none, a bare
            `no` is a name that was not quoted.

    Raises:
        UserError: not YAML, a key that is written twice, or a word or number that YAML takes for
            another; the message names the line.
        OSError: the file cannot be read.
    """
    try:
        return _load(path.read_bytes(), truth=truth)
    except _Refused as error:
        raise UserError(f"{path}, line {error.line}: {error}.", path, kind="yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not valid YAML: {reason}.", path, kind="yaml") from None
    except RecursionError:
        message = f"{path} nests its entries too deeply; write it plainly."
        raise UserError(message, path, kind="yaml") from None


def _load(content: bytes, *, truth: bool) -> Any:
    loader = _Loader(content)
    loader.truth = truth
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _nodes(node, {}, set()) > MAX_NODES:
            raise _Refused(node, "its aliases stand for too many entries; write it plainly")
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _Refused(yaml.YAMLError):
    """An entry that YAML reads otherwise than meant."""

    def __init__(self, node: yaml.Node, message: str) -> None:
        super().__init__(message)
        self.line = node.start_mark.line + 1


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses what it would misread."""

    truth = True

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: dict[Hashable, yaml.Node] = {}
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in keys:
                first = keys[key].start_mark.line + 1
                raise _Refused(
                    key_node, f"{key!r} is already written in line {first}; write it once"
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
            fix = f"{plain}, or write '{text}' in quotes"
            raise _Refused(node, f"YAML reads {text} as {value}; {fix}")
        return value

    def construct_truth(self, node: yaml.ScalarNode) -> Any:
        """A truth value, where the file may have one."""
        value = self.construct_yaml_bool(node)
        if not self.truth:
            text = self.construct_scalar(node)
            raise _Refused(
                node, f"YAML reads {text} as {str(value).lower()}; write '{text}' in quotes"
            )
        return value


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.construct_truth)


def _nodes(node: yaml.Node, sizes: dict[int, int], around: set[int]) -> int:
    """Number of entries below a node, with those that aliases repeat."""
    if id(node) in around:
        raise _Refused(node, "it contains itself; write it plainly")
    if id(node) not in sizes:
        children: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            children = node.value
        elif isinstance(node, yaml.MappingNode):
            children = [part for pair in node.value for part in pair]
        inside = around | {id(node)}
        sizes[id(node)] = 1 + sum(_nodes(child, sizes, inside) for child in children)
    return sizes[id(node)]
