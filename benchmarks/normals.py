"""Depth maps a second of one core → surface normals, by estimator, without and with holes.

    .venv/bin/python benchmarks/normals.py [REPEATS]

CPU seconds, the least of all repeats, at 375 x 1242; holes are 5 % of the pixels at random.
"""

from __future__ import annotations

import sys
import time
from typing import get_args

import torch

from lix.data.normals import depth_to_normals
from lix.data.options import Estimator

SIZE, HOLES, GOAL = (375, 1242), 0.05, 20


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    torch.set_num_threads(1)
    torch.manual_seed(0)
    down = torch.linspace(-0.4, 1.0, SIZE[0]).clamp(min=0.02)
    dense = (1.65 / down).view(1, 1, -1, 1) * (1 + 0.01 * torch.rand(1, 1, *SIZE))
    maps = {"dense": dense, "5 % holes": dense.where(torch.rand(1, 1, *SIZE) >= HOLES, torch.nan)}
    camera = torch.tensor([[725.0, 0.0, 620.5], [0.0, 725.0, 187.0], [0.0, 0.0, 1.0]])
    print(f"{'images/s':12}" + "".join(f"{name:>14}" for name in get_args(Estimator)))
    for name, depth in maps.items():
        cells = []
        for estimator in get_args(Estimator):
            least = float("inf")
            for _ in range(repeats):
                start = time.process_time()
                depth_to_normals(depth, camera, estimator=estimator)
                least = min(least, time.process_time() - start)
            cells.append(f"{1 / least:14.1f}")
        print(f"{name:12}" + "".join(cells), flush=True)
    print(f"Goal: at least {GOAL} images/s.")


if __name__ == "__main__":
    main()
