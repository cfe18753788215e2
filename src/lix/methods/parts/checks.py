"""Checks of what losses are given; each raises a ValueError of one sentence that names the fix."""

from __future__ import annotations

from torch import Tensor

from lix.core.types import IGNORE_INDEX


def check_positive(**values: float) -> None:
    """Raise a ValueError unless all values are above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}.")


def check_logits(zs: Tensor, zt: Tensor, valid: Tensor | None = None) -> None:
    """Raise a ValueError unless `zs` and `zt` share a shape (B, K, …) and `valid` is (B, …)."""
    if zs.shape != zt.shape or zs.ndim < 2:
        raise ValueError(
            f"Student and teacher logits must have the same shape (B, K, H, W) or (B, K), "
            f"got {tuple(zs.shape)} and {tuple(zt.shape)}."
        )
    pixels = (zs.shape[0], *zs.shape[2:])
    if valid is not None and tuple(valid.shape) != pixels:
        raise ValueError(f"Target or valid must have shape {pixels}, got {tuple(valid.shape)}.")
    if valid is not None and valid.is_floating_point():
        raise ValueError(f"Target must hold integers and valid booleans, got {valid.dtype}.")


def check_target(target: Tensor, logits: Tensor) -> Tensor:
    """The target as int64.

    Args:
        target: must be (B, H, W) integers in [0, K), or 255 where a pixel is ignored.
        logits: (B, K, H, W).

    Raises:
        ValueError: another shape or type, or a value that is neither a class nor 255.
    """
    expected = (logits.shape[0], *logits.shape[2:])
    if tuple(target.shape) != expected:
        squeeze = "; use target.squeeze(1)" if target.squeeze(1).shape == expected else ""
        raise ValueError(
            f"The target must have the logits' shape {expected}, got {tuple(target.shape)}"
            f"{squeeze}."
        )
    if target.is_floating_point() or target.is_complex():
        raise ValueError(f"The target must hold integers, got {target.dtype}; use target.long().")
    target = target.long()
    check_labels(target, logits.shape[1])
    return target


def check_labels(target: Tensor, num_classes: int, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Where `target` holds a class (boolean, of its shape).

    Raises:
        ValueError: a value that is neither a class nor `ignore_index`.
    """
    valid = target != ignore_index
    wrong = valid & ((target < 0) | (target >= num_classes))
    if wrong.any():
        raise ValueError(
            f"Labels must lie in [0, {num_classes}) or be {ignore_index} (ignored), "
            f"got {int(target[wrong][0])}."
        )
    return valid


def check_maps(
    fs: Tensor, ft: Tensor, valid: Tensor | None = None, *, same_shape: bool = False
) -> None:
    """Raise a ValueError unless two maps can be compared.

    Args:
        fs, ft: must be (B, C, H, W) with the same B.
        valid: must be (B, h, w), h and w the smaller of the maps' sizes.
        same_shape: the maps must have the same shape.
    """
    shapes = f"{tuple(fs.shape)} and {tuple(ft.shape)}"
    if fs.ndim != 4 or ft.ndim != 4 or len(fs) != len(ft):
        raise ValueError(f"Maps must be (B, C, H, W) with the same B, got {shapes}.")
    if same_shape and fs.shape != ft.shape:
        raise ValueError(f"The maps must have the same shape, got {shapes}.")
    positions = (len(fs), *(min(s, t) for s, t in zip(fs.shape[2:], ft.shape[2:], strict=True)))
    if valid is not None and (tuple(valid.shape) != positions or valid.is_floating_point()):
        raise ValueError(
            f"valid must be boolean of shape {positions}, got {valid.dtype} {tuple(valid.shape)}."
        )
