"""What the machine refuses is one sentence with the fix."""

from __future__ import annotations

import errno

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from lix.core.errors import DataError, check_choice, explain


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on the disk; free"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a"), "No space left on the disk for a;"),
        (PermissionError(errno.EACCES, "Permission denied", "runs"), "No permission for runs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "lower optim.batch_size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried\nto"), "lower optim.batch_size"),
        (MemoryError(), "lower optim.batch_size"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "process that"),
        (RuntimeError("sizes of\n  tensors"), "sizes of tensors (LIX_DEBUG=1"),
        (ValueError("as it is."), "as it is."),
    ],
)
def test_errors_of_the_machine(error: Exception, message: str) -> None:
    assert message in explain(error)
    assert "\n" not in explain(error)


class Broken(Dataset[int]):
    """Cannot be read."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        raise DataError("a.png is damaged; replace it.")


def test_errors_of_workers_are_those_of_their_files() -> None:
    with pytest.raises(ValueError, match="worker process") as error:
        next(iter(DataLoader(Broken(), num_workers=1)))
    assert explain(error.value) == "a.png is damaged; replace it."


def test_choices_are_checked_by_value() -> None:
    check_choice("order", 2, (1, 2))
    check_choice("mode", None, {"a", None})
    with pytest.raises(ValueError, match=r"Unknown order '3'\. Choose from 1, 2\."):
        check_choice("order", 3, (1, 2))
    with pytest.raises(ValueError, match=r"Did you mean 'linear'\? Choose from linear, official"):
        check_choice("head", "liner", ["linear", "official"])
    with pytest.raises(ValueError, match="Unknown head"):
        check_choice("head", ["linear"], {"linear", "official"})
