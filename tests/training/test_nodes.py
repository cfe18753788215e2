"""Training over two machines, which are two processes of torchrun here."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lix.runs.folder import RunFolder
from lix.runs.history import read_history
from lix.training.fit import RANKS
from tests.conftest import RANK_VARIABLES
from tests.training.test_fit import recipe


@pytest.mark.slow
def test_two_machines_share_the_steps(streets: Path, tmp_path: Path) -> None:
    training = {"epochs": 1, "nodes": 2, "accelerator": "cpu"}
    settings = recipe(streets, tmp_path / "run", optim={"batch_size": 2}, training=training)
    settings.save(tmp_path / "recipe.yaml")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    launch += ["--master-addr=127.0.0.1", f"--master-port={port}"]
    command = ["-m", "lix", "train", "-r", str(tmp_path / "recipe.yaml")]
    machines = [
        subprocess.Popen(
            [*launch, f"--node-rank={rank}", *command],
            env={k: v for k, v in os.environ.items() if k not in (*RANK_VARIABLES, *RANKS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        told = [machine.communicate(timeout=280)[0] for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    assert [machine.returncode for machine in machines] == [0, 0], told
    assert "4 steps an epoch of 4 frames" in told[0]
    assert "2 machines of cpu" in told[0]
    assert "epoch 1/1" in told[0]
    assert "epoch 1/1" not in told[1], "one machine speaks"
    run = RunFolder(tmp_path / "run")
    assert torch.load(run.last, weights_only=True)["global_step"] == 4
    result = json.loads(run.result.read_text())
    assert sum(map(sum, result["confusion"])) > 0
    validated = [value for _, name, value in read_history(run.history) if name == "val_mIoU"]
    assert validated == [pytest.approx(result["mIoU"], abs=1e-6)], "no frame is counted twice"
