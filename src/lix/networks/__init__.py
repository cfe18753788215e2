"""Segmentation networks: RGB-X teachers and RGB students with one face."""

from lix.catalog import build_network as build_network
from lix.networks.base import FeatureSpec as FeatureSpec
from lix.networks.base import SegNetwork as SegNetwork
from lix.networks.base import SegOutput as SegOutput
