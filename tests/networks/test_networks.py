"""What every network in the catalog must keep; a new file is tested without an edit here."""

from __future__ import annotations

import copy
from functools import cache

import pytest
import torch

from lix.core.registry import entries
from lix.networks import build_network

K = 5
NETWORKS = sorted(entries("networks"))


@pytest.fixture(params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def smallest(name: str, x_channels: int):
    return build_network(name, K, x_channels, **entries("networks")[name].load().smallest)


@cache
def built(name: str, x_channels: int):
    """A network that tests share and do not change."""
    return smallest(name, x_channels).eval()


def batch(name: str, x_channels: int):
    network = built(name, x_channels)
    h, w = 2 * network.size_divisor, 3 * network.size_divisor
    x = torch.rand(2, x_channels, h, w) if x_channels else None
    return network, torch.rand(2, 3, h, w), x


@pytest.mark.parametrize("x_channels", [0, 1, 3])
def test_logits_and_features_have_the_declared_shapes(name: str, x_channels: int) -> None:
    network, image, x = batch(name, x_channels)
    names = list(network.feature_specs)[::-1]
    out = network(image, x, features=names)
    assert out.logits.shape == (2, K, *image.shape[-2:])
    assert list(out.features) == names
    for f, spec in ((out.features[n], network.feature_specs[n]) for n in names):
        h, w = (side // spec.stride for side in image.shape[-2:])
        assert f.shape == (2, spec.channels, h, w)
    assert set(network.default_features) <= set(names)
    assert network(image, x).features == {}


@pytest.mark.parametrize("x_channels", [0, 1])
def test_every_parameter_is_trained(name: str, x_channels: int) -> None:
    network, image, x = batch(name, x_channels)
    network = copy.deepcopy(network).train()
    network(image, x).logits.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_teacher_uses_x(name: str) -> None:
    network, image, x = batch(name, 1)
    assert not torch.allclose(network(image, x).logits, network(image, torch.zeros_like(x)).logits)


def test_wrong_input_is_one_sentence(name: str) -> None:
    network, image, x = batch(name, 1)
    d = network.size_divisor
    with pytest.raises(ValueError, match="needs x"):
        network(image)
    with pytest.raises(ValueError, match="needs x"):
        network(image, x[:, :, :-1])
    with pytest.raises(ValueError, match=f"multiples of {d}"):
        network(image[..., :-1], x[..., :-1])
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        network(image[:, :2], x)
    with pytest.raises(ValueError, match="no feature 'nope'; it has"):
        network(image, x, features=["nope"])
    student, image, _ = batch(name, 0)
    with pytest.raises(ValueError, match="RGB only"):
        student(image, x)


def test_deepcopy_and_state_dict_give_the_same_network(name: str) -> None:
    network, image, x = batch(name, 1)
    expected = network(image, x).logits
    torch.testing.assert_close(copy.deepcopy(network)(image, x).logits, expected)
    twin = smallest(name, 1).eval()
    twin.load_state_dict(network.state_dict())
    torch.testing.assert_close(twin(image, x).logits, expected)


@pytest.mark.slow
def test_exports_as_one_graph(name: str) -> None:
    network, image, _ = batch(name, 0)
    program = torch.export.export(network, (image,))
    torch.testing.assert_close(program.module()(image).logits, network(image).logits)


def test_unknown_names_list_the_choices() -> None:
    with pytest.raises(ValueError, match="Did you mean 'mfnet'"):
        build_network("mfnett", K)
    with pytest.raises(ValueError, match=r"Unknown option of mfnet 'heads'\. Did you mean 'head'"):
        build_network("mfnet", K, heads="linear")
