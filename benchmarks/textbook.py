"""Every method's loss the plain way, as it is usually written: what `losses.py` measures against.

A function has its method's name. It takes the options and the learnable parts from the method and
knows no precision but float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.methods import Method
from lix.networks import SegOutput


def rows(logits: Tensor, target: Tensor) -> Tensor:
    """(N, K) logits of the labelled pixels."""
    flat = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
    return flat[target.flatten() != 255]


def pairs(
    student: SegOutput, teacher: SegOutput, target: Tensor
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """The maps, 0 at cells without a labelled pixel."""
    labelled = (target != 255).float().unsqueeze(1)
    both = zip(student.features.values(), teacher.features.values(), strict=True)
    for i, (fs, ft) in enumerate(both):
        cells = F.adaptive_max_pool2d(labelled, fs.shape[-2:])
        yield i, fs * cells, ft.detach() * cells


def kl(s: Tensor, t: Tensor, temperature: float) -> Tensor:
    log_p = F.log_softmax(s / temperature, dim=1)
    p = F.softmax(t / temperature, dim=1)
    return temperature**2 * F.kl_div(log_p, p, reduction="batchmean")


def kd(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    s, t = rows(student.logits, target), rows(teacher.logits, target)
    return method.weight * kl(s, t, method.temperature)


def cwkd(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    losses = []
    for zs, zt, valid in zip(student.logits, teacher.logits, target != 255, strict=True):
        losses.append(kl(zs[:, valid], zt[:, valid], method.temperature))
    return method.weight * torch.stack(losses).mean()


def two_way(p: Tensor, mask: Tensor) -> Tensor:
    """(N, 2) probabilities of the target class and of all others."""
    return torch.cat([(p * mask).sum(1, keepdim=True), (p * ~mask).sum(1, keepdim=True)], dim=1)


def dkd(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    temperature = method.temperature
    s, t = rows(student.logits, target), rows(teacher.logits, target)
    mask = F.one_hot(target[target != 255], s.shape[1]).bool()
    b_s = two_way(F.softmax(s / temperature, dim=1), mask)
    b_t = two_way(F.softmax(t / temperature, dim=1), mask)
    tckd = temperature**2 * F.kl_div(b_s.log(), b_t, reduction="batchmean")
    log_rest = F.log_softmax(s / temperature - 1000 * mask, dim=1)
    rest = F.softmax(t / temperature - 1000 * mask, dim=1)
    nckd = temperature**2 * F.kl_div(log_rest, rest, reduction="batchmean")
    return method.weight * (method.alpha * tckd + method.beta * nckd)


def dwld(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    s, t = rows(student.logits, target), rows(teacher.logits, target)
    mask = F.one_hot(target[target != 255], s.shape[1]).bool()
    p_s, p_t = F.softmax(s, dim=1), F.softmax(t, dim=1)
    entropy = -(p_s * F.log_softmax(s, dim=1)).sum(dim=1, keepdim=True)
    beta = (1 + 9 * entropy / math.log(s.shape[1])).detach()
    tckd = F.kl_div(two_way(p_s, mask).log(), two_way(p_t, mask), reduction="batchmean")
    log_rest = F.log_softmax(s - 1000 * mask, dim=1)
    rest = F.softmax(t - 1000 * mask, dim=1)
    nckd = (beta * F.kl_div(log_rest, rest, reduction="none")).sum(dim=1).mean()
    return method.weight * (method.alpha * tckd + nckd)


def pearson(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True)
    return ((a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-8)).mean()


def dist(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    s, t = rows(student.logits, target), rows(teacher.logits, target)
    y_s = F.softmax(s / method.temperature, dim=1)
    y_t = F.softmax(t / method.temperature, dim=1)
    inter = 1 - pearson(y_s, y_t)
    intra = 1 - pearson(y_s.T, y_t.T)
    return method.weight * (method.inter_weight * inter + method.intra_weight * intra)


def wsld(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    temperature = method.temperature
    s, t = rows(student.logits, target), rows(teacher.logits, target)
    labels = target[target != 255]
    hard_s = F.cross_entropy(s.detach(), labels, reduction="none")
    hard_t = F.cross_entropy(t, labels, reduction="none")
    weight = 1 - torch.exp(-hard_s / (hard_t + 1e-7))
    log_p = F.log_softmax(s / temperature, dim=1)
    soft = -(F.softmax(t / temperature, dim=1) * log_p).sum(dim=1)
    return method.weight * temperature**2 * (weight * soft).mean()


def maskd(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    s, t = student.logits.flatten(2), teacher.logits.flatten(2)
    valid = (target != 255).flatten(1)
    masks = (method.tokens.weight @ t).sigmoid() * valid.unsqueeze(1)  # (B, T, HW)
    difference = masks.unsqueeze(2) * (s - t).unsqueeze(1)  # (B, T, C, HW)
    squared = difference.pow(2).sum(dim=3) / (masks.sum(dim=2, keepdim=True) + 1e-5)
    return method.weight * 0.5 * squared.mean()


def fitnet(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    losses = [
        F.mse_loss(method.regressors[i](fs), ft) for i, fs, ft in pairs(student, teacher, target)
    ]
    return method.weight * sum(losses)


def at(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = 0
    for _i, fs, ft in pairs(student, teacher, target):
        q_s, q_t = (F.normalize(f.pow(method.p).mean(dim=1).flatten(1)) for f in (fs, ft))
        loss = loss + (q_s - q_t).pow(2).mean() * q_s.shape[1]
    return method.weight * loss


def ft(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = 0
    for i, fs, ft in pairs(student, teacher, target):
        factor_s = F.normalize(method.translators[i](fs).flatten(1))
        with torch.no_grad():
            factor_t = F.normalize(method.paraphrasers[i].encoder(ft).flatten(1))
        loss = loss + F.l1_loss(factor_s, factor_t) * math.sqrt(factor_s.shape[1])
    return method.weight * loss


def kernel_mean(a: Tensor, b: Tensor) -> Tensor:
    """Mean of ⟨a_i, b_j⟩² from (B, C, HW) and (B, D, HW)."""
    return (a.unsqueeze(1) * b.unsqueeze(2)).sum(dim=-1).pow(2).mean()


def nst(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = 0
    for _i, fs, ft in pairs(student, teacher, target):
        s, t = F.normalize(fs.flatten(2), dim=2), F.normalize(ft.flatten(2), dim=2)
        loss = loss + kernel_mean(t, t) + kernel_mean(s, s) - 2 * kernel_mean(s, t)
    return method.weight * loss


def distances(e: Tensor) -> Tensor:
    squares = e.pow(2).sum(dim=1)
    d = (squares.unsqueeze(0) + squares.unsqueeze(1) - 2 * e @ e.T).clamp(min=1e-12).sqrt()
    d = d * (1 - torch.eye(len(e)))
    return d / d[d > 0].mean()


def angles(e: Tensor) -> Tensor:
    directions = F.normalize(e.unsqueeze(0) - e.unsqueeze(1), dim=2)
    return torch.bmm(directions, directions.transpose(1, 2))


def rkd(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = 0
    for _i, fs, ft in pairs(student, teacher, target):
        e_s, e_t = fs.mean(dim=(2, 3)), ft.mean(dim=(2, 3))
        distance = F.smooth_l1_loss(distances(e_s), distances(e_t))
        angle = F.smooth_l1_loss(angles(e_s), angles(e_t))
        loss = loss + method.distance_weight * distance + method.angle_weight * angle
    return method.weight * loss


def sp(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = 0
    for _i, fs, ft in pairs(student, teacher, target):
        g_s, g_t = (F.normalize(f.flatten(1) @ f.flatten(1).T) for f in (fs, ft))
        loss = loss + (g_t - g_s).pow(2).sum() / len(fs) ** 2
    return method.weight * loss


def vid(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = 0
    for i, fs, ft in pairs(student, teacher, target):
        head = method.heads[i]
        variance = (F.softplus(head.log_scale) + 1e-5).view(1, -1, 1, 1)
        nll = 0.5 * ((head.regressor(fs) - ft) ** 2 / variance + torch.log(variance))
        loss = loss + nll.mean()
    return method.weight * loss


def pad(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = 0
    for i, fs, ft in pairs(student, teacher, target):
        e_s, log_variance = method.branches[i](fs)
        loss = loss + ((ft - e_s) ** 2 / (torch.exp(log_variance) + 1e-6) + log_variance).mean()
    return method.weight * loss


def diffkd(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = 0
    alphas = torch.cat([(1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(dim=0), torch.ones(1)])
    for i, fs, ft in pairs(student, teacher, target):
        d = method.diffusions[i]
        f = d.align(fs)
        t = torch.randint(0, 1000, (len(f),))
        start, noise = torch.randn_like(f), torch.randn_like(f)
        hidden = d.encoder_norm(d.encoder(ft))
        autoencoder = F.mse_loss(d.decoder(hidden), ft)
        hidden = hidden.detach()
        gamma = d.adapter(f, None).view(-1, 1, 1, 1)
        x = gamma * f + (1 - gamma) * start
        for step in (400, 300, 200, 100, 0):
            now, then = alphas[step], alphas[step - 100 if step else -1]
            predicted = d.denoiser(x, torch.full((len(f),), step), None)
            clean = (x - (1 - now).sqrt() * predicted) / now.sqrt()
            x = then.sqrt() * clean + (1 - then).sqrt() * predicted
        distilled = F.mse_loss(d.proj_norm(d.proj(x)), hidden)
        alpha = alphas[t].view(-1, 1, 1, 1)
        noisy = alpha.sqrt() * hidden + (1 - alpha).sqrt() * noise
        diffusion = F.mse_loss(d.denoiser(noisy, t, None), noise)
        loss = loss + method.weight * distilled + diffusion + autoencoder
    return loss


def items(f: Tensor, groups: int, patch: int) -> Tensor:
    """(patches, positions · groups, C / groups) of maps whose width is under or n · `patch`."""
    b, c, h, w = f.shape
    across = min(w, patch)
    f = f.view(b, groups, c // groups, h // patch, patch, w // across, across)
    return f.permute(0, 3, 5, 4, 6, 1, 2).reshape(-1, patch * across * groups, c // groups)


def contrast(s: Tensor, t: Tensor, groups: int, temperature: float) -> Tensor:
    """Sum of the items' cross-entropies: the positive first, then the other groups' items."""
    logits = -torch.cdist(s, t, p=1) / temperature
    n = logits.shape[1]
    group = torch.arange(groups).repeat(n // groups)
    other = (group.unsqueeze(0) != group.unsqueeze(1)).expand_as(logits)
    same = torch.eye(n, dtype=torch.bool).expand_as(logits)
    positive, negatives = logits[same].view(-1, 1), logits[other].view(-1, n - n // groups)
    logits = torch.cat([positive, negatives], dim=1)
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long), reduction="sum")


def afdcd(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = method.kd_weight * kl(rows(student.logits, target), rows(teacher.logits, target), 1)
    for i, fs, ft in pairs(student, teacher, target):
        restorer, groups, patch = method.restorers[i], method.groups[i], method.patch
        keep = torch.where(torch.rand_like(fs[:, :1]) > 1 - method.mask_ratio, 0, 1)
        restored = restorer.projector(restorer.align(fs) * keep)
        loss = loss + method.fd_weight * F.mse_loss(restored, ft)
        wide = fs.shape[3] - fs.shape[3] % patch
        for part in (slice(0, wide), slice(wide, None)):
            s, t = (items(f[..., part].contiguous(), groups, patch) for f in (restored, ft))
            total = contrast(s, t, groups, method.temperature)
            loss = loss + method.contrast_weight * total / fs[:, 0].numel()
    return loss


def hsic(k: Tensor, l: Tensor) -> Tensor:  # noqa: E741
    c = k.shape[-1]
    h = torch.eye(c) - torch.ones(c, c) / c
    return (k @ h @ l @ h).diagonal(dim1=1, dim2=2).sum(dim=1) / (c - 1) ** 2


def gram(f: Tensor, sigma: float) -> Tensor:
    """(B, C, C) channel similarities of the recalibrated map."""
    f = torch.exp(-((f - f.mean(dim=(1, 2, 3), keepdim=True)) ** 2) / sigma).flatten(2)
    return torch.bmm(f, f.transpose(1, 2))


def arfd(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    loss = 0
    for i, fs, ft in pairs(student, teacher, target):
        adapter: nn.Module = method.student_side[i]
        k, l = gram(adapter(fs), method.sigma), gram(ft, method.sigma)  # noqa: E741
        loss = loss + (1 - hsic(k, l) / (hsic(k, k) * hsic(l, l)).sqrt()).mean()
    return method.weight * loss


def lix(method: Method, student: SegOutput, teacher: SegOutput, target: Tensor) -> Tensor:
    logits = dwld(method.dwld, student, teacher, target)
    return logits + arfd(method.arfd, student, teacher, target)
