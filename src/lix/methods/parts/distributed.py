"""Means over the processes of a distributed training."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def mean_over_processes(value: Tensor) -> Tensor:
    """Mean of a value without gradient over the processes of a distributed training.

    All of them must call it equally often. In a single process it is the value.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return value
    value = value.detach().clone()
    dist.all_reduce(value)
    return value / dist.get_world_size()
