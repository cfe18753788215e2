"""Checkpoints are whole or the older one stays; a run goes on from the last whole one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import lix.training.checkpoint_io
from lix.runs.checkpoint import KEY
from lix.runs.folder import RunFolder
from lix.training.checkpoint_io import WholeCheckpoints, is_whole, last_whole

CONTENT = {"weights": torch.arange(100.0), "state_dict": {}, "loops": {}, KEY: {}}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    for name in ("checkpoints/last.ckpt", "checkpoints/best.ckpt"):
        WholeCheckpoints().save_checkpoint(CONTENT, tmp_path / name)
    return tmp_path


def test_what_is_saved_is_read_back(saved: Path) -> None:
    assert is_whole(RunFolder(saved).last)
    read = torch.load(RunFolder(saved).last, weights_only=True)
    assert torch.equal(read["weights"], CONTENT["weights"])


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_damage_is_seen(saved: Path, where: float) -> None:
    content = bytearray(RunFolder(saved).last.read_bytes())
    RunFolder(saved).last.write_bytes(content[: int(where * len(content))])
    assert not is_whole(RunFolder(saved).last)
    start = content.index(CONTENT["weights"].numpy().tobytes())
    content[start + int(where * 400)] ^= 1
    RunFolder(saved).last.write_bytes(content)
    assert not is_whole(RunFolder(saved).last)


def test_any_flipped_bit_is_seen_or_does_no_harm(saved: Path) -> None:
    whole = RunFolder(saved).last.read_bytes()
    for place in range(0, len(whole), 7):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        RunFolder(saved).last.write_bytes(content)
        if is_whole(RunFolder(saved).last):
            read = torch.load(RunFolder(saved).last, weights_only=True)
            assert torch.equal(read["weights"], CONTENT["weights"])


def test_another_file_of_torch_is_foreign(saved: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, RunFolder(saved).last)
    assert not is_whole(RunFolder(saved).last)


def test_a_failed_write_leaves_the_older_one(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = RunFolder(saved).last.read_bytes()

    def lying_disk(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-1])

    monkeypatch.setattr(lix.training.checkpoint_io, "fsync", lying_disk)
    with pytest.raises(OSError, match="the disk returned other bytes"):
        WholeCheckpoints().save_checkpoint({"weights": torch.zeros(3)}, RunFolder(saved).last)
    assert RunFolder(saved).last.read_bytes() == before
    assert {f.name for f in RunFolder(saved).last.parent.iterdir()} == {"last.ckpt", "best.ckpt"}


def test_a_run_goes_on_from_the_last_whole_one(saved: Path) -> None:
    printed: Any = io.StringIO()
    console = Console(file=printed, width=200)
    assert last_whole(RunFolder(saved), console) == RunFolder(saved).last
    RunFolder(saved).last.write_bytes(b"half")
    assert last_whole(RunFolder(saved), console) == RunFolder(saved).best
    assert "last.ckpt is damaged or foreign; going on from the best one." in printed.getvalue()
    RunFolder(saved).best.write_bytes(b"")
    with pytest.raises(ValueError, match="every other checkpoint of the run; delete"):
        last_whole(RunFolder(saved), console)
    assert last_whole(RunFolder(saved / "empty"), console) is None
