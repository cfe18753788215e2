"""lix: infuse what an RGB-X teacher knows about geometry into an RGB-only student.

`import lix` loads nothing heavy; the names below are imported when first used.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as of `typing`, which `python -m lix` could find in the current folder
if TYPE_CHECKING:
    from typing import Any

    from lix.api import distill as distill
    from lix.api import evaluate as evaluate
    from lix.api import export as export
    from lix.api import load_student as load_student
    from lix.api import report as report
    from lix.api import train as train
    from lix.core.types import FeatureSpec as FeatureSpec
    from lix.core.types import SegOutput as SegOutput
    from lix.data import build_dataset as build_dataset
    from lix.data.memory import Frames as Frames
    from lix.methods import build_method as build_method
    from lix.methods.parts.pairing import pair as pair
    from lix.networks import build_network as build_network
    from lix.networks.parts.base import SegNetwork as SegNetwork
    from lix.networks.parts.official import load_official as load_official
    from lix.networks.parts.wrap import wrap as wrap
    from lix.runs.checkpoint import load_network as load_network

_EXPORTS = {
    "FeatureSpec": "lix.core.types",
    "Frames": "lix.data.memory",
    "SegNetwork": "lix.networks.parts.base",
    "SegOutput": "lix.core.types",
    "build_dataset": "lix.data",
    "build_method": "lix.methods",
    "build_network": "lix.networks",
    "distill": "lix.api",
    "evaluate": "lix.api",
    "export": "lix.api",
    "load_network": "lix.runs.checkpoint",
    "load_official": "lix.networks.parts.official",
    "load_student": "lix.api",
    "pair": "lix.methods.parts.pairing",
    "report": "lix.api",
    "train": "lix.api",
    "wrap": "lix.networks.parts.wrap",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("lix")
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
