"""Segmentation metrics over a whole set."""

from lix.evaluation.metrics import Scores as Scores
from lix.evaluation.metrics import scores as scores
