"""A teacher that the tests of training share and leave as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lix.training.fit import fit
from tests.training.test_fit import recipe


@pytest.fixture(scope="session")
def teacher(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(recipe(streets, tmp_path_factory.mktemp("runs") / "teacher", role="teacher"))
