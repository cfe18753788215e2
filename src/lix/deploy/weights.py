"""A student → a safetensors file: weights and description, no code."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save

from lix.deploy.student import load_student
from lix.files import replacing
from lix.networks.checkpoint import KEY


def export_weights(checkpoint: Path, output: Path) -> str:
    """Write a student's weights and its `NetworkSpec`; `lix.load_network` reads them back.

    Returns:
        A sentence on what was written.

    Raises:
        FileNotFoundError: no checkpoint.
        ValueError: a teacher's checkpoint or a damaged one.
        OSError: the output cannot be written.
    """
    network, spec = load_student(checkpoint)
    weights = {name: value.clone().contiguous() for name, value in network.state_dict().items()}
    content = save(weights, metadata={KEY: json.dumps(spec.as_dict())})
    with replacing(output) as part:
        part.write_bytes(content)
    return f"{output}: {len(weights)} tensors of {spec.name}, {len(spec.classes)} classes"
