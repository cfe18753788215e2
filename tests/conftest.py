"""Fixtures and process hygiene for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

RANK_VARIABLES = (
    "MASTER_ADDR",
    "MASTER_PORT",
    "RANK",
    "LOCAL_RANK",
    "NODE_RANK",
    "GROUP_RANK",
    "WORLD_SIZE",
    "PL_GLOBAL_SEED",
    "PL_SEED_WORKERS",
)


SLOW_FIXTURES = {"exported", "exported_report", "real_output"}
"""Fixtures that take seconds in each process; the tests that need them are marked as slow."""


SLOW_FOLDERS = {"cli", "training", "robustness"}
"""Folders of tests that train or start commands; all of them are marked as slow."""
SLOW_FILES = {
    "test_architectures",
    "test_extract",
    "test_kept_results",
    "test_memory",
    "test_own_methods",
    "test_records",
}
"""The same for files of other folders."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (
            item.path.parent.name in SLOW_FOLDERS
            or item.path.stem in SLOW_FILES
            or SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ()))
        ):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _clean_process() -> Iterator[None]:
    """One thread, a fixed seed, and no distributed state left behind."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    environment = os.environ.copy()
    yield
    os.environ.clear()
    os.environ.update({k: v for k, v in environment.items() if k not in RANK_VARIABLES})
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@pytest.fixture(scope="session")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 + 8 street images of 48 x 96 in Virtual KITTI 2's layout."""
    from lix.streets import StreetPlan, write_streets

    root = tmp_path_factory.mktemp("streets")
    write_streets(root, StreetPlan(images=24, val_images=8, size=(48, 96)), cameras=(0,))
    return root
