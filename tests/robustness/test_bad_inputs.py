"""At least 200 bad inputs: an exit code, one sentence, no traceback, and no file changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.robustness import bad_files, bad_settings
from tests.robustness.bad_inputs import Case
from tests.robustness.conftest import SMALL, Lix

pytestmark = pytest.mark.slow

CASES = [*bad_settings.cases(), *bad_files.cases()]


def test_there_are_many_and_each_is_another_one() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.fixture(scope="module")
def sandbox(
    streets: Path, student: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[Path, bytes]]:
    """A folder with data and runs, and what its files should hold."""
    home = tmp_path_factory.mktemp("home")
    left_out = shutil.ignore_patterns("tensorboard")
    for name, folder in {"data": streets, "student": student, "teacher": teacher}.items():
        shutil.copytree(folder, home / name, ignore=left_out)
    settings = {**SMALL, "data": {**SMALL["data"], "root": str(home / "data")}}
    (home / "recipe.yaml").write_text(yaml.safe_dump(settings))
    return home, snapshot(home)


def snapshot(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


def restore(home: Path, right: dict[Path, bytes]) -> None:
    """Undo what the case before has done."""
    files = snapshot(home)
    for path in files.keys() - right.keys():
        path.unlink()
    for path, content in right.items():
        if files.get(path) != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    shutil.rmtree(home / "new", ignore_errors=True)
    (home / "empty").mkdir(exist_ok=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_one_sentence_and_nothing_is_lost(
    case: Case,
    sandbox: tuple[Path, dict[Path, bytes]],
    lix: Lix,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, right = sandbox
    restore(home, right)
    monkeypatch.chdir(tmp_path)
    case.spoil(home)
    before = snapshot(home)
    code, message = lix(*(str(word).replace("HOME", str(home)) for word in case.words))
    assert code in (1, 2), message
    assert message.startswith("lix: "), message
    assert len(message) > 20
    after = snapshot(home)
    assert [name for name in before if after.get(name) != before[name]] == []
    assert not Path("/tmp/lix-was-here").exists()
