"""The losses return, to 1e-9, what the reference implementations returned."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.methods import (
    FeatureMaps,
    FeaturePair,
    at_loss,
    build_method,
    cka,
    confidence,
    cwkd_loss,
    dice,
    dist_loss,
    dkd_loss,
    dwld_loss,
    ft_loss,
    kd_loss,
    maskd_loss,
    nst_loss,
    omega,
    pad_loss,
    recalibrate,
    rkd_loss,
    sp_loss,
    token_masks,
    wsld_loss,
)
from lix.methods.diffkd import Diffusion, Draws, schedule
from lix.methods.ft import Paraphraser, Translator
from lix.methods.vid import GaussianHead
from lix.networks import FeatureSpec, SegOutput
from tests.methods.parity import fixture

EXACT = {"rtol": 1e-9, "atol": 1e-9}


def check(numbers: dict[str, Tensor], case: str, loss: Tensor, student: Tensor) -> None:
    (gradient,) = torch.autograd.grad(loss, student, retain_graph=True)
    torch.testing.assert_close(loss.detach(), numbers[f"{case}/loss"].reshape(()), **EXACT)
    torch.testing.assert_close(gradient, numbers[f"{case}/grad_student"], **EXACT)


def load(numbers: dict[str, Tensor], case: str, module: nn.Module, names: dict[str, str]) -> None:
    """Fill `module` with the fixture's parameters; `names` maps our prefixes to theirs."""
    module.double()
    for ours, theirs in names.items():
        part = module.get_submodule(ours) if "." in ours or hasattr(module, ours) else module
        state = {
            key.removeprefix(f"{case}/param/{theirs}."): value
            for key, value in numbers.items()
            if key.startswith(f"{case}/param/{theirs}.")
        }
        assert state, theirs
        part.load_state_dict(state)


def check_parameters(
    numbers: dict[str, Tensor], case: str, loss: Tensor, module: nn.Module, names: dict[str, str]
) -> None:
    """The gradients of the parameters."""
    loss.backward()
    for ours, theirs in names.items():
        for name, parameter in module.get_submodule(ours).named_parameters():
            expected = numbers[f"{case}/grad_param/{theirs}.{name}"]
            torch.testing.assert_close(parameter.grad, expected, **EXACT)


def logits(name: str) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor | None]:
    n = fixture(name)
    return n, n["in/student"].requires_grad_(), n["in/teacher"], n.get("in/target")


def test_kd() -> None:
    n, zs, zt, _ = logits("kd")
    check(n, "mdistiller_pixels_T4", kd_loss(zs, zt, temperature=4.0), zs)


def test_cwkd() -> None:
    n, zs, zt, _ = logits("cwkd")
    check(n, "official_channel_kl_T4", cwkd_loss(zs, zt, temperature=4.0), zs)


def test_dkd() -> None:
    n, zs, zt, y = logits("dkd")
    loss = dkd_loss(zs, zt, y, alpha=1, beta=8, temperature=4)
    check(n, "mdistiller_a1_b8_T4", loss, zs)


def test_dist() -> None:
    n, zs, zt, _ = logits("dist")
    check(n, "seg_4d", dist_loss(zs, zt), zs)


def test_wsld() -> None:
    n, zs, zt, y = logits("wsld")
    check(n, "mmrazor_pixels_T2", wsld_loss(zs, zt, y, temperature=2.0), zs)


def test_at() -> None:
    n, fs, ft, _ = logits("at")
    check(n, "official", at_loss(fs, ft), fs)


def test_nst() -> None:
    n, fs, ft, _ = logits("nst")
    check(n, "mdistiller", nst_loss(fs, ft), fs)


def test_rkd() -> None:
    n = fixture("rkd")
    fs = n["in_map/student"].requires_grad_()
    check(n, "mdistiller_gap_B3", rkd_loss(fs, n["in_map/teacher"]), fs)


def test_sp() -> None:
    n, fs, ft, _ = logits("sp")
    check(n, "mdistiller", sp_loss(fs, ft), fs)
    assert sp_loss(fs[:1], ft[:1]).item() == n["B1_loss"].item()


def test_pad() -> None:
    n, es, et, _ = logits("pad")
    check(n, "given_logvar", pad_loss(es, et, n["in/log_var"]), es)


def pairs(fs: Tensor, ft: Tensor) -> list[FeaturePair]:
    return [FeaturePair(FeatureSpec(fs.shape[1], 4), FeatureSpec(ft.shape[1], 4))]


def test_fitnet() -> None:
    n, fs, ft, _ = logits("fitnet")
    method = build_method("fitnet", pairs(fs, ft))
    names = {"regressors.0": "conv"}
    load(n, "cirkd", method, names)
    loss = method.pair_loss(FeatureMaps(0, "f", fs, ft, None))
    check(n, "cirkd", loss, fs)
    check_parameters(n, "cirkd", loss, method, names)


def test_vid() -> None:
    n, fs, ft, _ = logits("vid")
    head = GaussianHead(6, 8, variance=5.0).double()
    torch.testing.assert_close(F.softplus(head.log_scale) + 1e-5, torch.full((8,), 5.0).double())
    load(n, "repdistiller", head, {"regressor": "regressor"})
    head.log_scale.data = n["repdistiller/param/log_scale"]
    loss = head(fs, ft)
    check(n, "repdistiller", loss, fs)
    check_parameters(n, "repdistiller", loss, head, {"regressor": "regressor"})
    expected = n["repdistiller/grad_param/log_scale"]
    torch.testing.assert_close(head.log_scale.grad, expected, **EXACT)


def test_ft() -> None:
    n, fs, ft, _ = logits("ft")
    case = "official_stage2"
    paraphraser = Paraphraser(8, 4)
    convs = {f"encoder.{2 * i}": f"conv{i}" for i in range(3)}
    deconvs = {f"decoder.{2 * i}": f"deconv{i}" for i in range(3)}
    load(n, f"{case}/paraphraser", paraphraser, convs | deconvs)
    factor_t = paraphraser.encoder(ft).detach()
    torch.testing.assert_close(factor_t, n[f"{case}/factor_teacher"], **EXACT)
    translator = Translator(6, 4)
    names = {f"{2 * i}": f"conv{i}" for i in range(3)}
    load(n, case, translator, names)
    loss = ft_loss(translator(fs), factor_t)
    check(n, case, loss, fs)
    check_parameters(n, case, loss, translator, names)


def test_maskd() -> None:
    n, zs, zt, _ = logits("maskd")
    masks = token_masks(n["mask_token"], zt)
    torch.testing.assert_close(masks, n["mask_from_teacher"], **EXACT)
    check(n, "seg_distill", maskd_loss(zs, zt, masks), zs)


def test_maskd_stage_1() -> None:
    n = fixture("maskd")
    zt, target = n["in/teacher"], n["stage1/target"]
    method = build_method("maskd", num_classes=5, tokens=3).double()
    method.tokens.weight.data = n["mask_token"]
    method.tokens.requires_grad_(True)
    overlap = dice(method.tokens(zt))
    torch.testing.assert_close(overlap, n["stage1/dice"], **EXACT)
    (gradient,) = torch.autograd.grad(overlap, method.tokens.weight)
    torch.testing.assert_close(gradient, n["stage1/grad_token_dice"], **EXACT)
    stage = method.teacher_stage()
    loss = stage.loss(SegOutput(zt, {}), target)
    torch.testing.assert_close(loss, n["stage1/ce_plus_dice"], **EXACT)
    (gradient,) = torch.autograd.grad(loss, method.tokens.weight)
    torch.testing.assert_close(gradient, n["stage1/grad_token_ce_plus_dice"], **EXACT)


def test_afdcd() -> None:
    n, fs, ft, _ = logits("afdcd")
    case = "pool0_weighted"
    method = build_method(
        "afdcd", pairs(fs, ft), 5, preset="official-cityscapes", groups=4, patch=2, pool=1
    )
    names = {"restorers.0.align": "align", "restorers.0.projector": "projetor"}
    load(n, case, method, names)
    restored = method.restorers[0](fs, n["mask"])
    terms = method.weigh(FeatureMaps(0, "f", fs, ft, None), restored)
    loss = terms["afdcd_fd"] + terms["afdcd_contrast"]
    check(n, case, loss, fs)
    check_parameters(n, case, loss, method, names)


DIFFKD = {
    "encoder": "ae.encoder.0",
    "encoder_norm": "ae.encoder.1",
    "decoder": "ae.decoder.0",
    "align": "trans",
    "denoiser.time_embedding": "model.time_embedding",
    "denoiser.conv": "model.pred.2",
    "denoiser.norm": "model.pred.3",
    "adapter.pred": "noise_adapter.pred",
    "proj": "proj.0",
    "proj_norm": "proj.1",
} | {
    f"{ours}.{part}.{i}": f"{theirs}.block.{3 * i + shift}"
    for ours, theirs in (
        ("denoiser.blocks.0", "model.pred.0"),
        ("denoiser.blocks.1", "model.pred.1"),
        ("adapter.block", "noise_adapter.feat.0"),
    )
    for i in range(3)
    for part, shift in (("convs", 0), ("norms", 1))
}


def roots_of_the_fixture(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """`shares` as on the fixture's processor, on any.

    MKL's float32 roots depend on the processor: on the fixture's, that of 1 - ᾱ at step 400 is a
    unit in the last place above the correctly rounded one.
    """
    signal, noise = (v.double().sqrt().to(alpha.dtype) for v in (alpha, 1 - alpha))
    if alpha.dtype == torch.float32 and alpha == schedule()[400]:
        noise = noise.nextafter(torch.ones(()))
    return signal, noise


def test_diffkd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lix.methods.diffkd.shares", roots_of_the_fixture)
    n, fs, ft, _ = logits("diffkd")
    diffusion = Diffusion(6, 16, 8)
    load(n, "kd", diffusion, DIFFKD)
    draws = Draws(n["noise_pipeline"], n["noise_ddim"], n["timesteps"])
    kd, noise, restored = diffusion(fs, ft, draws=draws)
    torch.testing.assert_close(noise, n["kd/diff_loss"], **EXACT)
    torch.testing.assert_close(restored, n["kd/ae_loss"], **EXACT)
    check(n, "kd", kd, fs)
    learned = {k: v for k, v in DIFFKD.items() if not k.startswith(("encoder", "decoder"))}
    check_parameters(n, "kd", kd, diffusion, learned)


def test_dwld_eq9() -> None:
    n, zs, zt, y = logits("lix_reference")
    check(n, "eq9_T_S_beta_pixelmean", dwld_loss(zs, zt, y, n["in/beta"]), zs)


def test_confidence_eq6_and_omega_eq8() -> None:
    n = fixture("lix_reference")
    zs = n["in/student"]
    torch.testing.assert_close(confidence(zs).flatten(), n["eq6_entropy"])
    rows = omega(zs).permute(0, 2, 3, 1).reshape(-1, zs.shape[1] + 1)
    torch.testing.assert_close(rows, n["eq8_omega"])


def test_cka_of_recalibrated_maps_eq13_to_17() -> None:
    n = fixture("lix_reference")
    fs = n["in_feat/student_aligned"].requires_grad_()
    ft = n["in_feat/teacher_aligned"]
    similarity = cka(recalibrate(fs).flatten(2), recalibrate(ft).flatten(2))
    check(n, "eq17_eq13_hsic_standard", (1 - similarity).mean(), fs)


@pytest.mark.parametrize("loss", [kd_loss, dkd_loss, dist_loss, wsld_loss])
def test_logit_losses_take_flat_logits(loss) -> None:
    n = fixture("dkd")
    zs, zt, y = n["in/student"], n["in/teacher"], n["in/target"]
    labels = [y] if loss in (dkd_loss, wsld_loss) else []
    maps = loss(zs, zt, *labels)
    flat = [z.permute(0, 2, 3, 1).flatten(0, 2) for z in (zs, zt)]
    rows = loss(*flat, *[label.flatten() for label in labels])
    torch.testing.assert_close(maps, rows)
