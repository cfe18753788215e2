"""A small `nyu_depth_v2_labeled.mat`, for tests."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

HEIGHT, WIDTH = 6, 8


def write_mat(path: Path, frames: int = 10) -> Path:
    """Frames as MATLAB stores them: the last axis first, below 512 bytes of its own."""
    shape = frames, WIDTH, HEIGHT
    columns = np.arange(WIDTH, dtype=np.uint8)[:, None]
    labels = np.arange(HEIGHT, dtype=np.uint16) * 178
    depths = 1.5 + np.arange(frames, dtype=np.float32)[:, None, None] / 8
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = np.broadcast_to(columns, (frames, 3, WIDTH, HEIGHT))
        file["depths"] = np.broadcast_to(depths, shape)
        file["labels"] = np.broadcast_to(labels, shape)
    return path
