"""`lix data check` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import lix
from tests.tools.conftest import Make


def test_a_sound_data_set(
    streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ("--options.cameras", "[0]", "--images", 3, "--output", out)
    assert lix("data", "check", streets, *options) == 0
    printed = capsys.readouterr().out
    assert "data set vkitti2, 14 classes; read 6 frames" in printed
    assert f"Pictures are in {out / 'check.html'}" in printed
    assert (out / "check.html").stat().st_size > 10_000


def test_errors_among_the_findings_are_an_exit_code(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make(x={"kind": "depth"})
    assert lix("data", "check", root / "lix.yaml", "--output", tmp_path / "out") == 1
    printed = capsys.readouterr()
    assert "set `unit: mm`" in printed.out
    assert printed.err == ""


def test_options_of_one_split(
    streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--output", tmp_path / "out", "--options.lists", "all")
    assert lix("data", "check", streets, *out) == 1
    assert "train and val share 24 images" in capsys.readouterr().out
    drives = sorted(path.name for path in (streets / "Scene01").iterdir())
    mine, rest = json.dumps(drives[:2]), json.dumps(drives[2:])
    lix("data", "check", streets, *out, "--train.variations", mine, "--val.variations", rest)
    printed = capsys.readouterr().out
    assert "data set vkitti2" in printed
    assert "share" not in printed


def test_no_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert lix("data", "check", tmp_path / "empty") == 1
    assert "it holds nothing" in capsys.readouterr().err


def test_no_name_begins_a_line(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make()
    for part in ("image", "label", "x"):
        path = root / "train" / part / "traina_0.png"
        path.rename(path.with_name("a\nerror forged_0.png"))
    (root / "train/label/a\nerror forged_0.png").write_bytes(b"damaged")
    assert lix("data", "check", root, "--output", tmp_path / "out") == 1
    printed = capsys.readouterr()
    assert r"a\nerror forged_0.png cannot be read" in printed.out
    assert not [line for line in printed.out.splitlines() if line.startswith("error forged")]
