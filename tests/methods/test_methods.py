"""What every method in the catalog must keep; a new file is tested without an edit here."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor

from lix.core.registry import entries
from lix.methods import LogitMethod, at_loss, build_method
from lix.methods.parts.citations import bibtex
from lix.networks import SegOutput
from tests.methods.catalog import DISTILLING, METHODS, PAIRS, K, build, detached, outputs, total


@pytest.mark.parametrize("name", METHODS)
def test_has_kind_citation_and_docstring(name: str) -> None:
    method = entries("methods")[name].load()
    assert method.kind in ("none", "logit", "feature", "both")
    assert method.__doc__
    assert name == "none" or bibtex(method.citation).startswith("@")


@pytest.mark.parametrize("name", DISTILLING)
def test_terms_are_finite_scalars_that_teach_student_and_method_only(name: str) -> None:
    method = build(name)
    student, teacher, target = outputs()
    terms = method(student, SegOutput(*detached(teacher)), target)
    assert terms
    assert all(term.ndim == 0 and term.isfinite() for term in terms.values())
    total(terms).backward()
    inputs = [student.logits, *student.features.values()]
    assert any(t.grad is not None and t.grad.abs().sum() > 0 for t in inputs)
    for parameter_name, parameter in method.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"DDP would call {parameter_name} unused"


@pytest.mark.parametrize("name", DISTILLING)
def test_presets_build(name: str) -> None:
    cls = entries("methods")[name].load()
    for preset in cls.presets:
        pairs = PAIRS if cls.kind in ("feature", "both") else []
        assert isinstance(build_method(name, pairs, K, preset=preset), cls)


@pytest.mark.parametrize("name", DISTILLING)
@pytest.mark.parametrize("garbage", [1e4, float("nan")])
def test_ignored_pixels_change_nothing(name: str, garbage: float) -> None:
    student, teacher, target = outputs()
    expected = _loss_and_gradients(name, student, teacher, target)
    changed = [_clone(student), _clone(teacher)]
    for out in changed:
        with torch.no_grad():
            out.logits[:, :, :4] = garbage
    actual = _loss_and_gradients(name, *changed, target)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", DISTILLING)
@pytest.mark.parametrize("garbage", [1e4, float("nan")])
def test_features_under_ignored_pixels_change_nothing(name: str, garbage: float) -> None:
    student, teacher, target = outputs()
    expected = _loss_and_gradients(name, student, teacher, target)
    changed = [_clone(student), _clone(teacher)]
    for out in changed:
        with torch.no_grad():
            for f in out.features.values():
                f[:, :, : f.shape[2] // 6] = garbage
    actual = _loss_and_gradients(name, *changed, target)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-7)


def _clone(out: SegOutput) -> SegOutput:
    copies = {k: v.detach().clone().requires_grad_() for k, v in out.features.items()}
    return SegOutput(out.logits.detach().clone().requires_grad_(), copies)


def _loss_and_gradients(
    name: str, student: SegOutput, teacher: SegOutput, target: Tensor
) -> list[Tensor]:
    method = build(name)
    student = _clone(student)
    loss = total(method(student, SegOutput(*detached(teacher)), target))
    loss.backward()
    inputs = [student.logits, *student.features.values(), *method.parameters()]
    return [loss.detach(), *(torch.zeros(1) if t.grad is None else t.grad for t in inputs)]


@pytest.mark.parametrize("name", DISTILLING)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1000.0])
def test_finite_for_constant_and_confident_maps(name: str, scale: float) -> None:
    student, teacher, target = outputs(scale=scale)
    loss = total(build(name)(student, SegOutput(*detached(teacher)), target))
    loss.backward()
    assert loss.isfinite()
    for f in (student.logits, *student.features.values()):
        assert f.grad is None or f.grad.isfinite().all()


@pytest.mark.parametrize("name", DISTILLING)
def test_all_ignored_gives_zero_connected_to_the_graph(name: str) -> None:
    student, teacher, target = outputs()
    method = build(name)
    terms = method(student, SegOutput(*detached(teacher)), torch.full_like(target, 255))
    loss = total(terms)
    loss.backward()
    assert loss.item() == 0
    whole = build(name)(student, SegOutput(*detached(teacher)), target)
    assert terms.keys() == whole.keys(), "ranks must log the same terms"
    assert all(
        p.grad is not None and p.grad.isfinite().all()
        for p in method.parameters()
        if p.requires_grad
    )


@pytest.mark.parametrize("name", DISTILLING)
def test_bf16_autocast_is_close_to_float32(name: str) -> None:
    student, teacher, target = outputs()
    expected = total(build(name)(student, SegOutput(*detached(teacher)), target))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = total(build(name)(student, SegOutput(*detached(teacher)), target))
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", DISTILLING)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_than_float32(name: str, dtype: torch.dtype) -> None:
    student, teacher, target = outputs(dtype=dtype)
    loss = total(build(name)(student, SegOutput(*detached(teacher)), target))
    loss.backward()
    assert loss.isfinite()


def _longer(out: SegOutput) -> SegOutput:
    logits, features = detached(out)
    doubled = {k: torch.cat([v, torch.randn_like(v)]) for k, v in features.items()}
    return SegOutput(torch.cat([logits, torch.randn_like(logits)]), doubled)


@pytest.mark.parametrize("name", DISTILLING)
def test_ignored_samples_change_nothing(name: str) -> None:
    """Not even by their number: no statistic of a batch counts them."""
    student, teacher, target = outputs()
    expected = total(build(name)(student, SegOutput(*detached(teacher)), target))
    more = [_longer(student), _longer(teacher)]
    ignored = torch.full_like(target, 255)
    actual = total(build(name)(more[0], more[1], torch.cat([target, ignored])))
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_arguments_may_be_named(name: str) -> None:
    student, teacher, target = outputs()
    known = SegOutput(*detached(teacher))
    named = build(name)(student=student, teacher=known, target=target)
    torch.testing.assert_close(named, build(name)(student, known, target))


@pytest.mark.parametrize("name", DISTILLING)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_any_integer_type_will_do(name: str, dtype: torch.dtype) -> None:
    student, teacher, target = outputs()
    expected = total(build(name)(student, teacher, target))
    assert torch.equal(total(build(name)(student, teacher, target.to(dtype))), expected)


@pytest.mark.parametrize("name", DISTILLING)
def test_the_teacher_is_a_constant_even_with_gradients(name: str) -> None:
    student, teacher, target = outputs()
    expected = total(build(name)(student, SegOutput(*detached(teacher)), target))
    actual = total(build(name)(student, teacher, target))
    actual.backward()
    assert torch.equal(actual, expected)
    assert teacher.logits.grad is None
    assert all(f.grad is None for f in teacher.features.values())


class DepthKD(LogitMethod):
    """A method of a user's own that learns from X."""

    needs_x, weight = True, 1.0

    def forward(
        self, student: SegOutput, teacher: SegOutput, target: Tensor, *, x: Tensor | None = None
    ) -> dict[str, Tensor]:
        return {"depth": student.logits.mean() * x.mean()}


def test_x_reaches_the_methods_that_need_it() -> None:
    student, teacher, target = outputs()
    x = torch.full((3, 1, 12, 20), 2.0)
    terms = DepthKD((), K)(student, teacher, target, x=x)
    torch.testing.assert_close(terms["depth"], 2 * student.logits.mean())
    with pytest.raises(ValueError, match="DepthKD learns from X; pass the batch's X as x="):
        DepthKD((), K)(student, teacher, target)


@pytest.mark.parametrize("name", DISTILLING)
def test_monitors_are_on_the_device_of_the_maps(name: str) -> None:
    """NCCL reduces tensors of the GPU only."""
    student, teacher, target = outputs()
    method = build(name)
    method(student, SegOutput(*detached(teacher)), target)
    assert all(m.device == student.logits.device and m.ndim == 0 for m in method.monitors.values())
    source = inspect.getsource(type(method))
    assert "torch.tensor(" not in source, "make monitors with new_tensor"


def test_vid_starts_at_any_variance() -> None:
    method = build_method("vid", PAIRS, K, variance=1000.0)
    variance = torch.nn.functional.softplus(method.heads[0].log_scale) + 1e-5
    torch.testing.assert_close(variance, torch.full_like(variance, 1000.0))


@pytest.mark.parametrize("p", [2, 4, 6])
def test_at_does_not_depend_on_scale(p: int) -> None:
    fs, ft = torch.randn(2, 4, 5, 6), torch.randn(2, 4, 5, 6)
    expected = at_loss(fs.double(), ft.double(), p=p).float()
    for scale in (1e-4, 1.0, 1e5):
        torch.testing.assert_close(at_loss(scale * fs, scale * ft, p=p), expected)
