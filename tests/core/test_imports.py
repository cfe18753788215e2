"""What a machine must have to import lix."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

IMPORT_ALL = """
import importlib, importlib.abc, pkgutil, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
for name in {blocked!r}:
    sys.modules.pop(name, None)
for root in {roots!r}:
    package = importlib.import_module(root)
    for found in pkgutil.walk_packages(package.__path__, root + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print(len([name for name in sys.modules if name.startswith("lix")]))
"""


def imported(roots: list[str], blocked: set[str]) -> int:
    """Import all modules below the roots while others are blocked; how many they are."""
    code = IMPORT_ALL.format(roots=roots, blocked=blocked)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_all_of_lix_is_imported_without_what_windows_lacks() -> None:
    assert imported(["lix"], {"fcntl", "resource"}) > 100


HEAVY = {"lightning", "torchmetrics", "pydantic", "yaml", "rich", "cyclopts", "timm"}


@pytest.mark.parametrize(
    ("root", "blocked"),
    [
        ("lix.core", HEAVY | {"torchvision", "PIL"}),
        ("lix.methods", HEAVY | {"torchvision", "PIL"}),
        ("lix.networks", HEAVY),
    ],
)
def test_losses_and_networks_need_torch_only(root: str, blocked: set[str]) -> None:
    assert imported([root], blocked) > 5
