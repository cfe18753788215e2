"""Writing over links, pipes and devices: what stands there stays what it is."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from lix.core.files import atomic_write, remove_parts, write_text


def test_a_link_stays_one_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "a.json", tmp_path / "link.json"
    link.symlink_to(target)
    for text in ("first", "second"):
        write_text(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert [path.name for path in tmp_path.rglob("*a.json")] == ["a.json"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_text(pipe, "scores")
    reader.join(5)
    assert read == ["scores"]
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize(("minor", "message"), [(3, None), (7, "No space left on device")])
def test_a_device_is_written_to(tmp_path: Path, minor: int, message: str | None) -> None:
    device = tmp_path / "device"  # of the kind of /dev/null or /dev/full
    try:
        os.mknod(device, 0o20666, os.makedev(1, minor))
        device.write_bytes(b"")
    except PermissionError:
        pytest.skip("only root makes devices")
    if message is None:
        write_text(device, "scores")
    else:
        with pytest.raises(OSError, match=rf"{device} cannot be written \({message}\)"):
            write_text(device, "scores")
    assert device.is_char_device()


def test_what_a_killed_process_left_half_written_goes_and_nothing_else(tmp_path: Path) -> None:
    kept = {".lock", ".gitignore", ".env.local", "recipe.12.yaml"}
    for name in kept:
        (tmp_path / name).touch()
    for name in ("recipe.yaml", "a" * 80 + ".ckpt", "LICENSE"):
        with atomic_write(tmp_path / name) as part:
            part.touch()
            os.link(part, tmp_path / "copy")
        (tmp_path / "copy").rename(part)
        (tmp_path / name).unlink()
    assert len(list(tmp_path.iterdir())) == len(kept) + 3
    remove_parts(tmp_path, tmp_path / "missing")
    assert {path.name for path in tmp_path.iterdir()} == kept
