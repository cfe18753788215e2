"""Procedural Streets: random street scenes with exact depth, for trying things out without data.

Written in Virtual KITTI 2's layout, so that its reader, its classes and its units apply.
"""

from lix.streets.worlds import WORLDS
from lix.streets.write import write_streets

__all__ = ["WORLDS", "write_streets"]
