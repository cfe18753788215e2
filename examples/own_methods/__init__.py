"""Three distillation methods of your own, as `lix distill --method own_methods:NAME` takes them.

    PYTHONPATH=examples lix distill -r recipe.yaml --teacher runs/teacher --output runs/stages \
        --method own_methods:StageScores --features enc4 enc5 --allow-code

Each adds a loss on features to DWLD; `recipes/study/features-small.yaml` and `levers-small.yaml`
measure their worth.
"""

from own_methods.predict_x import PredictX
from own_methods.predictable import Predictable
from own_methods.stage_scores import StageScores

__all__ = ["PredictX", "Predictable", "StageScores"]
