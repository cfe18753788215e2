"""Two processes learn what one does with the same global batch."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lix.core.registry import entries
from tests.training.two_processes import PER_PIXEL, STEPS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[float]]]:
    """Histories of one process and of two; DDP itself fails where a parameter is not used."""
    output = tmp_path_factory.mktemp("curves") / "curves.json"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(__file__).with_name("two_processes.py")
    done = subprocess.run(
        [sys.executable, script, output, str(port)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(output.with_name(f"{output.name}.{n}").read_text()) for n in (1, 2)]


@pytest.mark.parametrize("method", PER_PIXEL)
def test_losses_per_pixel_have_one_curve(method: str, curves: list[dict[str, list[float]]]) -> None:
    one, two = (found[method] for found in curves)
    assert len(one) == STEPS
    assert one[0] != one[-1]
    assert two == pytest.approx(one, abs=1e-4)


def test_every_method_uses_all_its_parameters(curves: list[dict[str, list[float]]]) -> None:
    assert set(curves[1]) >= set(entries("methods"))
