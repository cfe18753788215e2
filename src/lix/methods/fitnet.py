"""FitNet: the student's map, through a regressor, becomes the teacher's (Romero et al., 2015)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from lix.methods.parts.base import FeatureMethod, FeaturePair, Maps
from lix.methods.parts.cells import mean_squared


class FitNet(FeatureMethod):
    """Distils feature maps by the mean squared error of a 1x1 convolution without bias.

    Args:
        weight: factor of the loss beside the cross-entropy.
        hint_epochs: 0 trains on hints and labels together; N trains the first N epochs on hints
            alone and then on labels alone, as lenscloth/RKD does; where no training loop sets
            `epoch` it trains on both.

    Source: Romero et al., ICLR 2015; the regressor is that of winycg/CIRKD `fitnet.py`.
    RepDistiller's has batch norm and ReLU too, which fits only teachers whose maps are positive.
    """

    maps = "last"
    presets = {
        "repdistiller": {"weight": 100.0},
        "cirkd": {"weight": 10.0},
    }
    citation = """@inproceedings{romero2015fitnets,
  title     = {{FitNets}: Hints for Thin Deep Nets},
  author    = {Romero, Adriana and Ballas, Nicolas and Kahou, Samira Ebrahimi and
               Chassang, Antoine and Gatta, Carlo and Bengio, Yoshua},
  booktitle = {ICLR},
  year      = {2015}
}"""

    def __init__(
        self,
        pairs: Sequence[FeaturePair],
        num_classes: int = 0,
        *,
        weight: float = 0.25,
        hint_epochs: int = 0,
    ) -> None:
        super().__init__(pairs, num_classes)
        if hint_epochs < 0:
            raise ValueError(f"hint_epochs must be 0 or more, got {hint_epochs}.")
        self.factor, self.hint_epochs = weight, hint_epochs
        self.regressors = nn.ModuleList(
            nn.Conv2d(p.student.channels, p.teacher.channels, 1, bias=False) for p in pairs
        )

    @property
    def idle(self) -> frozenset[str]:
        """`hard` while the hints last, then `fitnet`; nothing outside a schedule of epochs."""
        if not self.hint_epochs or math.isinf(self.epoch):
            return frozenset()
        return frozenset({"hard" if self.epoch < self.hint_epochs else "fitnet"})

    @property
    def weight(self) -> float:  # type: ignore[override]
        """0 once the hints are over."""
        return 0.0 if "fitnet" in self.idle else self.factor

    @property
    def hard_weight(self) -> float:  # type: ignore[override]
        """0 while the hints last."""
        return 0.0 if "hard" in self.idle else 1.0

    def pair_loss(self, maps: Maps) -> Tensor:
        regressed = self.regressors[maps.pair](maps.student)
        return mean_squared(regressed, maps.teacher, maps.cells)
