"""What a folder of X says about itself, so that X of two origins never mix."""

from __future__ import annotations

import json
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from lix.core.files import write_text
from lix.core.json_text import parse_json
from lix.data.x_files import XFiles

LARGEST = 65535
"""Largest denominator of a scale that is written as a fraction."""


def claim(output: Path, record: dict[str, Any], files: XFiles) -> None:
    """Write into the folder what its numbers mean and which engine, of which settings, makes them.

    Raises:
        ValueError: it holds X of another origin.
    """
    origin, description = output / "engine.json", output / "x.yaml"
    if origin.is_file():
        _require_same(output, _read_record(origin), record)
    elif description.is_file():
        raise ValueError(
            f"{output} holds X that lix data depth did not write; choose another folder with "
            "--output."
        )
    write_text(origin, json.dumps(record, indent=2) + "\n")
    entries = files.model_dump(mode="json", exclude_defaults=True)
    entries["scale"] = str(Fraction(files.scale).limit_denominator(LARGEST))
    write_text(description, yaml.safe_dump(entries, sort_keys=False, default_flow_style=None))


def _read_record(path: Path) -> dict[str, Any]:
    with suppress(ValueError):
        record = parse_json(path.read_text(encoding="utf-8"))
        if isinstance(record, dict):
            return record
    raise ValueError(
        f"{path} is damaged, so the settings of this folder's X are unknown; choose another folder "
        "with --output."
    )


def _require_same(output: Path, record: dict[str, Any], settings: dict[str, Any]) -> None:
    settings = json.loads(json.dumps(settings))
    other = [
        key if isinstance(record.get(key), dict) else f"{key} {record.get(key)!r}"
        for key in {**record, **settings}
        if record.get(key) != settings.get(key)
    ]
    if other:
        raise ValueError(
            f"{output} holds X with other settings ({', '.join(other)}); choose another folder "
            "with --output, or use the same settings to continue."
        )
