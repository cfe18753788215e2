"""YAML of users: entries that YAML would read otherwise than meant are refused by their line."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from lix.data.yaml_files import load_yaml


def load(folder: Path, text: str | bytes, *, truth: bool = False) -> object:
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_yaml(path, truth=truth)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", r"line 3: 'a' is already written in line 1; write it once\.$"),
        ("a:\n  {7: x, 8: y, 7: z}", r"line 2: 7 is already written in line 2"),
        (
            "{7: x, 07: y}",
            r"YAML reads 07 as 7; leave out the 0 in front, or write .* in quotes",
        ),
        ("\n{7: x, 010: y}", r"line 2: YAML reads 010 as 8"),
        ("a: 012", "YAML reads 012 as 10"),
        ("a: [1, 1:30]", "YAML reads 1:30 as 90"),
        ("a: 1:30.5", "YAML reads 1:30.5 as 90.5"),
        ("a: b\nc: [road, no]", r"line 2: YAML reads no as false; write 'no' in quotes"),
        ("a: [On]", "YAML reads On as true; write 'On' in quotes"),
        ("a: [", "is not valid YAML"),
        ("a: !!python/object:os.system {}", "is not valid YAML"),
        ("a: 2024-13-01", "is not valid YAML"),
        (b"\xff\xfe\xfd", "is not valid YAML"),
        ("a: &a [*a]", "contains itself"),
        ("[" * 3000, "nested too deeply"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{n}: &{n} [{', '.join(['*' + m] * 10)}]\n" for m, n in pairwise("abcdef")),
            "aliases expand",
        ),
    ],
)
def test_what_would_be_misread_is_one_sentence(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "a.yaml"))
    assert "\n" not in str(error.value)


def test_what_is_meant_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, "{a: 'no', b: '010', c: 10, d: 0.5, e: 0, f: -3, g: 0x10, h: 1e3}") == {
        "a": "no",
        "b": "010",
        "c": 10,
        "d": 0.5,
        "e": 0,
        "f": -3,
        "g": 16,
        "h": "1e3",
    }
    assert load(tmp_path, "a: &a {b: 1, c: 2}\nd: {<<: *a, b: 3}") == {
        "a": {"b": 1, "c": 2},
        "d": {"b": 3, "c": 2},
    }
    assert load(tmp_path, "a: [yes, off]", truth=True) == {"a": [True, False]}
    assert load(tmp_path, "") is None
    assert load(tmp_path, "a: ü".encode("utf-16")) == {"a": "ü"}
    assert load(tmp_path, "\ufeffa: 1") == {"a": 1}
