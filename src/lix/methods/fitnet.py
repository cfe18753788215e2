"""FitNet: the student's map, through a regressor, becomes the teacher's (Romero et al., 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lix.methods.parts.base import FeatureMaps, FeatureMethod, FeaturePair
from lix.methods.parts.masks import mean_squared


class FitNet(FeatureMethod):
    """Distils feature maps by the mean squared error of a 1x1 convolution without bias.

    Args:
        weight: factor of the loss.

    Hints and labels train together, as in winycg/CIRKD. lenscloth/RKD trains on hints first and
    then on labels; the student's later layers learn nothing until the hints are over.

    Source: Romero et al., ICLR 2015; the regressor is that of winycg/CIRKD `fitnet.py`.
    RepDistiller's has batch norm and ReLU too, which fits only teachers whose maps are positive.
    """

    default_pairs = "last"
    presets = {
        "repdistiller": {"weight": 100.0},
        "cirkd": {"weight": 10.0},
    }
    citation = "romero2015fitnets"

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 0.25,
    ) -> None:
        super().__init__(pairs, num_classes)
        self.weight = weight
        self.regressors = nn.ModuleList(
            nn.Conv2d(p.student.channels, p.teacher.channels, 1, bias=False) for p in pairs
        )

    def pair_loss(self, maps: FeatureMaps) -> Tensor:
        regressed = self.regressors[maps.pair](maps.student)
        return mean_squared(regressed, maps.teacher, maps.mask)
