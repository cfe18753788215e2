"""DiffKD: who is taught by which term, and the diffusion itself."""

from __future__ import annotations

import pytest
import torch

from lix.methods import (
    build_method,
)
from lix.methods.diffkd import ddim_step, schedule
from tests.methods.feature_maps import K, compare, draw, pair


def diffkd_terms(samples: int = 2, size: tuple[int, int] = (3, 5)):
    torch.manual_seed(0)
    method = build_method("diffkd", [pair(6, 16)], K)
    fs, ft = torch.randn(samples, 6, *size, requires_grad=True), torch.randn(samples, 16, *size)
    return method, fs, compare(method, fs, ft, torch.zeros(samples, 12, 20).long())


def test_diffkd_teaches_the_student_by_distillation_alone() -> None:
    _, fs, terms = diffkd_terms()
    gradients = {
        name: torch.autograd.grad(term, fs, retain_graph=True, allow_unused=True)[0]
        for name, term in terms.items()
    }
    assert gradients["diffkd"].abs().sum() > 0
    for name in ("diffkd_diffusion", "diffkd_autoencoder"):
        assert gradients[name] is None or not gradients[name].any()


@pytest.mark.parametrize(
    ("term", "parts"),
    [
        ("diffkd", {"align", "denoiser", "adapter", "proj", "proj_norm"}),
        ("diffkd_diffusion", {"denoiser"}),
        ("diffkd_autoencoder", {"encoder", "encoder_norm", "decoder"}),
    ],
)
def test_each_diffkd_term_trains_its_parts(term: str, parts: set[str]) -> None:
    method, _, terms = diffkd_terms()
    terms[term].backward()
    diffusion = method.diffusions[0]
    for name, part in diffusion.named_children():
        moved = [p.grad is not None and bool(p.grad.any()) for p in part.parameters()]
        assert any(moved) == (name in parts), name
        if name in parts:
            assert all(moved), name


@pytest.mark.parametrize("size", [(3, 5), (1, 1)])
def test_diffkd_trains_with_a_single_sample(size: tuple[int, int]) -> None:
    _, fs, terms = diffkd_terms(samples=1, size=size)
    sum(terms.values()).backward()
    assert all(term.isfinite() for term in terms.values())
    assert fs.grad.isfinite().all()


def test_diffusion_schedule_is_the_product_of_1_minus_beta() -> None:
    alpha, products = 1.0, []
    for t in range(1000):
        alpha *= 1 - (1e-4 + t * (0.02 - 1e-4) / 999)
        products.append(alpha)
    torch.testing.assert_close(schedule(), torch.tensor([*products, 1.0]), rtol=1e-4, atol=0)


def test_ddim_with_the_true_noise_walks_to_the_clean_map() -> None:
    clean, noise, alphas = draw(1, 2, 3, 4), draw(1, 2, 3, 4), schedule().double()
    x = alphas[400].sqrt() * clean + (1 - alphas[400]).sqrt() * noise
    for now, then in ((400, 300), (300, 200), (200, 100), (100, 0)):
        x = ddim_step(x, noise, alphas[now], alphas[then])
        expected = alphas[then].sqrt() * clean + (1 - alphas[then]).sqrt() * noise
        torch.testing.assert_close(x, expected)
    torch.testing.assert_close(ddim_step(x, noise, alphas[0], alphas[-1]), clean)
