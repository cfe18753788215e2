"""Much to do, nothing to do, and little room: a sentence, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest

from lix.core.errors import explain
from lix.study.plan import PROGRAM
from tests.robustness.commands import Places, contents
from tests.robustness.forks import Forks

pytestmark = pytest.mark.slow


def test_two_thousand_pictures(places: Places, forks: Forks, tmp_path: Path) -> None:
    picture = next(places["pictures"].iterdir())
    (tmp_path / "in").mkdir()
    for i in range(2000):
        os.link(picture, tmp_path / f"in/{i:04}.png")
    words = ("predict", places["student"], tmp_path / "in", "--output", tmp_path / "out")
    killed = forks(*words, kill_after=1)
    assert killed.code < 0
    done = forks(*words)
    assert done.code == 0, done.error
    files = contents(tmp_path / "out")
    assert len([name for name in files if name.endswith("_label.png")]) == 2000
    assert len({files[f"{i:04}_overlay.png"] for i in range(2000)}) == 1


@pytest.mark.parametrize("frames", [0, 1])
def test_a_video_of_few_frames(places: Places, forks: Forks, tmp_path: Path, frames: int) -> None:
    with av.open(places["video"]) as reader, av.open(tmp_path / "few.mkv", "w") as writer:
        stream = writer.add_stream_from_template(reader.streams.video[0])
        writer.start_encoding()
        for _, packet in zip(range(frames), reader.demux(video=0), strict=False):
            packet.stream = stream
            writer.mux(packet)
    words = ("predict", places["student"], tmp_path / "few.mkv", "--output", tmp_path / "out")
    done = forks(*words)
    assert done.code == (0 if frames else 1)
    assert "Traceback" not in done.error
    if frames:
        assert (tmp_path / "out/few_overlay.mp4").is_file()
    else:
        assert done.error.startswith(f"lix: {tmp_path}/few.mkv ")
        assert not list(tmp_path.glob("out/*"))


IN_LITTLE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
MOUNT = 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"'


def can_mount() -> bool:
    words = [*IN_LITTLE, MOUNT, "sh", "true"]
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(words, check=False, capture_output=True).returncode
    )


@pytest.mark.skipif(not can_mount(), reason="no user namespaces here, to mount a small /dev/shm")
def test_a_small_shared_memory_is_one_sentence(
    places: Places, forks: Forks, tmp_path: Path
) -> None:
    words = ("train", "-r", places["recipe"], "--output", tmp_path / "run")
    command = [sys.executable, PROGRAM, *words, "--training.workers", 1]
    done = subprocess.run(
        [*IN_LITTLE, MOUNT, "sh", *map(str, command)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("lix: The shared memory (/dev/shm) is too small")
    assert forks(*words, "--resume").code == 0
    undisturbed = forks(*words[:-1], tmp_path / "undisturbed")
    assert undisturbed.code == 0
    assert contents(tmp_path / "run") == contents(tmp_path / "undisturbed")


def test_a_bus_error_of_a_worker_is_explained() -> None:
    of_torch = (
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
        "dataloader's workers are out of shared memory. Please try to raise your shared memory "
        "limit."
    )
    assert "set training.workers to 0" in explain(RuntimeError(of_torch))
