"""Making X where a data set has none: engines that write depth beside the images.

`make_depth` runs an engine over a folder, `stereo_disparity` is the stereo matcher alone.
"""

from lix.tools.depth.engine import build_engine as build_engine
from lix.tools.depth.make import make_depth as make_depth
from lix.tools.depth.sgbm import stereo_disparity as stereo_disparity
