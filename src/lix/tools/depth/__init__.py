"""Engines that make depth or disparity for a data set without X.

`make_depth` runs an engine over a folder, `stereo_disparity` matches one stereo pair.
"""

from lix.tools.depth.engine import build_engine as build_engine
from lix.tools.depth.make import make_depth as make_depth
from lix.tools.depth.sgbm import stereo_disparity as stereo_disparity
