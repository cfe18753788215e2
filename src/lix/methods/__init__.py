"""Distillation methods: pure loss functions and the `Method` classes around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lix.core.errors import unknown
from lix.core.registry import build, find, merge
from lix.methods.afdcd import AfDCD as AfDCD
from lix.methods.afdcd import contrast_loss as contrast_loss
from lix.methods.arfd import ARFD as ARFD
from lix.methods.arfd import cka as cka
from lix.methods.arfd import hsic as hsic
from lix.methods.arfd import position_cka as position_cka
from lix.methods.arfd import recalibrate as recalibrate
from lix.methods.at import AT as AT
from lix.methods.at import at_loss as at_loss
from lix.methods.at import attention as attention
from lix.methods.cwkd import CWKD as CWKD
from lix.methods.cwkd import cwkd_loss as cwkd_loss
from lix.methods.diffkd import DiffKD as DiffKD
from lix.methods.dist import DIST as DIST
from lix.methods.dist import dist_loss as dist_loss
from lix.methods.dkd import DKD as DKD
from lix.methods.dkd import dkd_loss as dkd_loss
from lix.methods.dwld import DWLD as DWLD
from lix.methods.dwld import dwld_loss as dwld_loss
from lix.methods.fitnet import FitNet as FitNet
from lix.methods.ft import FT as FT
from lix.methods.ft import ft_loss as ft_loss
from lix.methods.kd import KD as KD
from lix.methods.kd import kd_loss as kd_loss
from lix.methods.lix import LIX as LIX
from lix.methods.maskd import MasKD as MasKD
from lix.methods.maskd import dice as dice
from lix.methods.maskd import maskd_loss as maskd_loss
from lix.methods.maskd import token_masks as token_masks
from lix.methods.none import NoDistillation as NoDistillation
from lix.methods.nst import NST as NST
from lix.methods.nst import nst_loss as nst_loss
from lix.methods.pad import PAD as PAD
from lix.methods.pad import pad_loss as pad_loss
from lix.methods.parts.base import FeatureMaps as FeatureMaps
from lix.methods.parts.base import FeatureMethod as FeatureMethod
from lix.methods.parts.base import FeaturePair as FeaturePair
from lix.methods.parts.base import LogitMethod as LogitMethod
from lix.methods.parts.base import Method as Method
from lix.methods.parts.beta.entropy import confidence as confidence
from lix.methods.parts.beta.learned import WeightController as WeightController
from lix.methods.parts.beta.learned import omega as omega
from lix.methods.parts.beta.rarity import rarity as rarity
from lix.methods.parts.decoupling import binary_kl as binary_kl
from lix.methods.parts.decoupling import decouple as decouple
from lix.methods.parts.pseudo import pseudo_target as pseudo_target
from lix.methods.rkd import RKD as RKD
from lix.methods.rkd import rkd_loss as rkd_loss
from lix.methods.sp import SP as SP
from lix.methods.sp import sp_loss as sp_loss
from lix.methods.vid import VID as VID
from lix.methods.vid import vid_loss as vid_loss
from lix.methods.wsld import WSLD as WSLD
from lix.methods.wsld import wsld_loss as wsld_loss


def build_method(
    name: str,
    pairs: Sequence[FeaturePair] = (),
    num_classes: int = 0,
    *,
    preset: str | None = None,
    **options: Any,
) -> Method:
    """Build a distillation method by name; `options` win over those of the named `preset`.

    A name such as `my_methods:MyKD` is a subclass of `Method` of your own (`lix --allow-code`).

    Raises:
        ValueError: unknown name, preset or option, or code that is not allowed.

    >>> build_method("dkd", num_classes=19, preset="official-cifar").beta
    8.0
    """
    entry = find("methods", name)
    if preset is not None:
        presets: Mapping[str, Mapping[str, Any]] = entry.load().presets
        if preset not in presets:
            raise ValueError(unknown(f"preset of {name}", preset, list(presets) or ["(none)"]))
        options = merge(presets[preset], options)
    built: Method = build(entry, options, pairs, num_classes)
    return built
