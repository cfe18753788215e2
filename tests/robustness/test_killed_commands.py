"""Commands that are killed or whose disk fills: the same command then ends as if undisturbed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.robustness.commands import COMMANDS, Places, contents
from tests.robustness.forks import Ended, Forks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_disturbed_command_ends_as_an_undisturbed_one(
    name: str, places: Places, forks: Forks, tmp_path: Path
) -> None:
    command = COMMANDS[name]
    done = forks(*command.words(places, tmp_path / "undisturbed"))
    assert done.code == 0, done.error
    expected = contents(tmp_path / "undisturbed")
    assert expected
    words = command.words(places, tmp_path / "disturbed")
    kilobytes = largest(tmp_path / "undisturbed") // 2048
    if command.fills_disk and kilobytes:  # the sentence itself needs one
        require_sentence(forks(*words, kilobytes=kilobytes), tmp_path / "disturbed")
    draw = random.Random(name)
    for kill in range(command.kills):
        share = (kill + draw.random()) / command.kills
        share = command.from_share + (1 - command.from_share) * share
        forks(*words, kill_after=done.seconds * share)
    done = forks(*words)
    assert done.code == 0, done.error
    files = contents(tmp_path / "disturbed")
    left = {file for file in files if Path(file).name.startswith(".") or file.endswith(".part")}
    assert {file: files[file] for file in files.keys() - left} == expected


def largest(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def require_sentence(full: Ended, output: Path) -> None:
    assert full.code == 1
    assert "Traceback" not in full.error
    last = full.error.splitlines()[-1]
    assert last.startswith("lix: ")
    notes = [note.read_text() for note in output.rglob("error.txt")]  # of a study's runs
    for text in notes or [last]:
        assert text.count("\n") <= 1
        assert "room" in text or "No space left on the disk" in text


@pytest.mark.parametrize(
    "name",
    [
        *("predict", "predict a video", "streets", "data depth", "eval that fills a cache"),
        *("study run", "study report"),
    ],
)
def test_two_at_a_time_share_the_work_or_do_it_twice(
    name: str, places: Places, forks: Forks, tmp_path: Path
) -> None:
    words = COMMANDS[name].words
    done = forks(*words(places, tmp_path / "one"))
    assert done.code == 0, done.error
    both = forks.together(2, *words(places, tmp_path / "two"))
    assert [one.code for one in both] == [0, 0], both
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_of_two_trainings_in_one_folder_the_second_is_refused(
    places: Places, forks: Forks, tmp_path: Path
) -> None:
    both = forks.together(2, "train", "-r", places["recipe"], "--output", tmp_path / "run")
    first, second = sorted(both, key=lambda one: one.code)
    assert (first.code, second.code) == (0, 1)
    # The lock, or what the first has written when the second looks.
    refusals = f"Another process trains in {tmp_path}", f"{tmp_path / 'run'} already holds a run"
    assert any(refusal in second.error for refusal in refusals)
    assert (tmp_path / "run/result.json").is_file()
