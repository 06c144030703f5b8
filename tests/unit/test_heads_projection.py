"""Token vectors of states: every kind of projection against numpy, and one matrix at export."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lexmax.encoders.heads.projection import Projection, ProjectionShape
from lexmax.errors import EncoderError

SHAPES = [
    ProjectionShape("linear", 12, 5),
    ProjectionShape("linear", 12, 5, bias=True),
    ProjectionShape("ffn", 12, 5),
    ProjectionShape("ffn", 12, 5, activation="gelu", bias=True),
    ProjectionShape("upscaled", 12, 5, activation="silu"),
    ProjectionShape("upscaled", 12, 5, bias=True),
    ProjectionShape("residual", 12, 5),
    ProjectionShape("residual", 12, 12, activation="relu"),
    ProjectionShape("residual", 12, 12),
    ProjectionShape("residual", 12, 5, bias=True),
    *(ProjectionShape("glu", 12, 5, activation=g) for g in ("identity", "sigmoid", "silu", "gelu")),
]
NAMES = [f"{s.kind}-{s.activation}-{s.dim}{'-bias' * s.bias}" for s in SHAPES]


def _erf(x: np.ndarray) -> np.ndarray:
    return torch.erf(torch.from_numpy(x)).numpy()


G = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * (1 + _erf(x / np.sqrt(2))) / 2,
}


def _states(*, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(3, 4, 12, generator=torch.Generator().manual_seed(7), dtype=dtype)


def _reference(projection: Projection, x: np.ndarray) -> np.ndarray:
    w = {name: value.numpy() for name, value in projection.state_dict().items()}

    def through(name: str, given: np.ndarray) -> np.ndarray:
        return given @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)

    g = G[projection.shape.activation]
    kind = projection.shape.kind
    if kind == "linear":
        y = through("outer", x)
    elif kind == "glu":
        y = through("outer", through("inner", x) * g(through("gate", x)))
    else:
        y = through("outer", g(through("inner", x)))
    if kind == "residual":
        y = y + (through("skip", x) if "skip.weight" in w else x)
    return y / np.linalg.norm(y, axis=-1, keepdims=True)


@pytest.mark.parametrize("shape", SHAPES, ids=NAMES)
def test_every_kind_is_what_its_formula_says(shape: ProjectionShape) -> None:
    projection = Projection(shape, seed=3)
    found = projection(_states()).detach().numpy()
    assert found.shape == (3, 4, shape.dim)
    np.testing.assert_allclose(found, _reference(projection, _states().numpy()), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=NAMES)
def test_gradients_are_those_of_the_function(shape: ProjectionShape) -> None:
    projection = Projection(shape, seed=3).double()
    states = _states(dtype=torch.float64)[0].requires_grad_()
    assert torch.autograd.gradcheck(projection, (states,))


@pytest.mark.parametrize(
    ("kind", "width"),
    [("linear", 384), ("ffn", 96), ("glu", 96), ("upscaled", 768), ("residual", 768)],
)
def test_width_between_the_layers(kind: str, width: int) -> None:
    assert ProjectionShape(kind, 384, 48).width == width


@pytest.mark.parametrize("shape", [s for s in SHAPES if Projection(s).collapses], ids=str)
def test_an_identity_collapses_at_export(shape: ProjectionShape) -> None:
    projection = Projection(shape, seed=5)
    exported = projection.for_export()
    assert exported.shape.kind == "linear"
    assert [name for name, _ in exported.named_parameters()] == [
        "outer.weight",
        *(["outer.bias"] if shape.bias else []),
    ]
    torch.testing.assert_close(exported(_states()), projection(_states()), atol=1e-5, rtol=0)
    if not shape.bias:
        flat = torch.nn.functional.normalize(_states() @ projection.collapsed().T, dim=-1)
        torch.testing.assert_close(flat, projection(_states()), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "shape",
    [
        ProjectionShape("glu", 12, 5),
        ProjectionShape("ffn", 12, 5, activation="relu"),
        ProjectionShape("linear", 12, 5, bias=True),
    ],
    ids=str,
)
def test_what_is_no_matrix_does_not_collapse(shape: ProjectionShape) -> None:
    projection = Projection(shape)
    with pytest.raises(EncoderError, match="is no matrix; expected the identity without bias"):
        projection.collapsed()
    assert projection.for_export() is projection


@pytest.mark.parametrize("kind", ["linear", "residual"])
def test_training_may_start_from_a_matrix(kind: str) -> None:
    projection = Projection(ProjectionShape(kind, 12, 5, activation="identity"))
    matrix = torch.randn(5, 12, generator=torch.Generator().manual_seed(1))
    projection.start_from(matrix)
    expected = torch.nn.functional.normalize(_states() @ matrix.T, dim=-1)
    torch.testing.assert_close(projection(_states()), expected)
    with pytest.raises(EncoderError, match=r"is \(12, 5\); expected \(5, 12\)"):
        projection.start_from(matrix.T)


def test_a_residual_between_equal_coordinates_starts_from_the_identity_alone() -> None:
    projection = Projection(ProjectionShape("residual", 12, 12, ratio=0.25))
    projection.start_from(torch.eye(12))
    torch.testing.assert_close(projection.unscaled(_states()), _states())
    with pytest.raises(EncoderError, match="or the identity"):
        projection.start_from(torch.ones(12, 12))


@pytest.mark.parametrize("kind", ["ffn", "glu", "upscaled"])
def test_no_matrix_to_start_from_without_a_skip(kind: str) -> None:
    with pytest.raises(EncoderError, match="take kind linear, or residual"):
        Projection(ProjectionShape(kind, 12, 5)).start_from(torch.zeros(5, 12))


def test_a_residual_at_its_start_still_learns_in_its_layers() -> None:
    projection = Projection(ProjectionShape("residual", 12, 5, activation="gelu"))
    projection.start_from(torch.randn(5, 12, generator=torch.Generator().manual_seed(1)))
    projection(_states())[..., 0].sum().backward()
    assert projection.outer.weight.grad is not None
    assert projection.outer.weight.grad.abs().sum() > 0


def test_weights_follow_the_seed_and_nothing_else() -> None:
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    one, same, other = (Projection(ProjectionShape(), seed=seed) for seed in (4, 4, 5))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.outer.weight, same.outer.weight)
    assert not torch.equal(one.outer.weight, other.outer.weight)


def test_a_zero_state_gives_no_nan() -> None:
    found = Projection(ProjectionShape(dim=48))(torch.zeros(1, 384))
    assert torch.equal(found, torch.zeros(1, 48))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "conv"}, "no projection is called 'conv'"),
        ({"kind": "ffn", "activation": "tanh"}, "no activation is called 'tanh'"),
        ({"activation": "gelu"}, "a linear projection has no activation"),
        ({"dim": 0}, "expected 1 or more coordinates"),
        ({"kind": "ffn", "ratio": 0.0}, "expected 1 or more coordinates"),
    ],
)
def test_shapes_that_there_are_not(values: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        ProjectionShape(**values)
