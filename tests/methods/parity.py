"""Reads the reference numbers next to this file; `meta_json` names the code that made each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def fixture(name: str) -> dict[str, Tensor]:
    """Arrays of `parity/NAME.npz` as float64 (or integer) tensors."""
    with np.load(Path(__file__).parent / "parity" / f"{name}.npz") as arrays:
        keys = [key for key in arrays.files if key != "meta_json"]
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in keys}
