"""Procedural Streets: random street scenes with exact depth, for trying things out without data.

Written in Virtual KITTI 2's layout, so that its reader, its classes and its units apply.
"""

from __future__ import annotations

from lix.streets.plan import StreetPlan as StreetPlan
from lix.streets.worlds import WORLDS as WORLDS
from lix.streets.write import write_streets as write_streets
