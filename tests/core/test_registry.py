"""Code of the user's own, named as `module:Name`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lix.data import build_dataset
from lix.methods import build_method

CODE = '''
from lix.data.sets.folder import Folder
from lix.methods.kd import KD

class MyKD(KD):
    """KD with another default."""

class MySet(Folder):
    """A folder."""

class Other:
    """Neither."""
'''


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_code.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    os.environ["LIX_ALLOW_CODE"] = "1"


def test_methods_are_built_with_checked_options() -> None:
    assert build_method("own_code:MyKD", num_classes=3, temperature="4").temperature == 4.0
    with pytest.raises(ValueError, match="Did you mean 'temperature'"):
        build_method("own_code:MyKD", num_classes=3, temperatur=4)


def test_data_sets_are_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"lix\.yaml is missing"):
        build_dataset("own_code:MySet", tmp_path / "lix.yaml")


def test_what_is_not_allowed_or_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="is not a subclass of Method"):
        build_method("own_code:Other")
    with pytest.raises(ValueError, match="cannot be imported"):
        build_method("own_code:Missing")
    del os.environ["LIX_ALLOW_CODE"]
    with pytest.raises(ValueError, match="--allow-code"):
        build_method("own_code:MyKD")
