"""lix: infuse what an RGB-X teacher knows about geometry into an RGB-only student.

`import lix` loads nothing heavy; the names below are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lix.catalog import build_dataset as build_dataset
    from lix.catalog import build_method as build_method
    from lix.catalog import build_network as build_network
    from lix.methods.pairing import pair as pair
    from lix.networks.base import FeatureSpec as FeatureSpec
    from lix.networks.base import SegNetwork as SegNetwork
    from lix.networks.base import SegOutput as SegOutput
    from lix.networks.checkpoint import load_network as load_network
    from lix.networks.official import load_official as load_official
    from lix.networks.wrap import wrap as wrap

__version__ = _version("lix")

_EXPORTS = {
    "build_dataset": "lix.catalog",
    "build_method": "lix.catalog",
    "build_network": "lix.catalog",
    "FeatureSpec": "lix.networks.base",
    "SegNetwork": "lix.networks.base",
    "SegOutput": "lix.networks.base",
    "load_network": "lix.networks.checkpoint",
    "load_official": "lix.networks.official",
    "pair": "lix.methods.pairing",
    "wrap": "lix.networks.wrap",
}


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
