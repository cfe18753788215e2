"""Whole checkpoints: written next to the older one, read back, and only then put in its place."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from rich.console import Console

from lix.core.console import warn
from lix.core.files import atomic_write, fsync
from lix.runs.checkpoint import CHECKSUM, KEY, checksum
from lix.runs.folder import RunFolder
from lix.runs.identity import RUN_ID, run_id


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's files, so that a power loss or a full disk never costs the older checkpoint."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write, force to disk, compare size and SHA-256 with what was meant, and replace.

        Raises:
            OSError: the disk is full or wrote something else; the older file is untouched.
        """
        buffer = io.BytesIO()
        if KEY in checkpoint:
            sums = {CHECKSUM: checksum(checkpoint[KEY], checkpoint["state_dict"])}
            checkpoint = checkpoint | sums | {RUN_ID: run_id(RunFolder.of(path))}
        torch.save(checkpoint, buffer)
        content = buffer.getbuffer()
        with atomic_write(Path(path)) as part:
            part.write_bytes(content)
            fsync(part)
            written = part.read_bytes()
            if len(written) != len(content) or _digest(written) != _digest(content):
                raise OSError("the disk returned other bytes than were written")
        fsync(Path(path).parent)


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).digest()


def is_whole(path: Path) -> bool:
    """Whether a checkpoint of a training has all its parts, with the checksums they were given."""
    stored = read_whole(path)
    return isinstance(stored, dict) and {"state_dict", "loops", KEY} <= stored.keys()


def read_whole(path: Path, device: str | torch.device = "cpu") -> Any:
    """What `torch.save` has written; None unless every part has the checksum it was given."""
    try:
        with zipfile.ZipFile(path) as parts:
            if parts.testzip() is not None:
                return None
        return torch.load(path, map_location=device, weights_only=True)
    except Exception:  # noqa: BLE001 - damage may look like anything
        return None


def last_whole(run: RunFolder, console: Console) -> Path | None:
    """The checkpoint that a run goes on from: its last one, or if that is damaged its best one.

    Raises:
        ValueError: there are checkpoints and all are damaged, or one is of another run.
    """
    candidates = [path for path in (run.last, run.best) if path.is_file()]
    _require_own(run, candidates)
    for path in candidates:
        if is_whole(path):
            if path != candidates[0]:
                warn(console, f"{candidates[0]} is damaged or foreign; going on from the best one.")
            return path
    if candidates:
        raise ValueError(
            f"{candidates[0]} is damaged or foreign, and so is every other checkpoint of the run; "
            f"delete {run.checkpoints} to train anew."
        )
    return None


def stored_id(checkpoint: Path | None) -> str | None:
    """The id of the run that wrote a checkpoint; None where it holds none."""
    stored = None if checkpoint is None else read_whole(checkpoint)
    return stored.get(RUN_ID) if isinstance(stored, dict) else None


def _require_own(run: RunFolder, checkpoints: Sequence[Path]) -> None:
    own = run_id(run)
    for path in checkpoints:
        if own and (stored_id(path) or own) != own:
            raise ValueError(
                f"{path} was written by another run than {run}; put its own back, or choose "
                "another --output."
            )
