"""Update rules against their `torch.optim` twins, member by member."""

from __future__ import annotations

import math

import pytest
import torch

from surefoot.engines.update_rules import RULES, clip_members, make_rule, member_norms
from surefoot.errors import RecipeError

TWINS = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
}
CASES = [
    ("sgd", {}),
    ("sgd", {"weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("sgd", {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("adagrad", {}),
    ("adagrad", {"lr_decay": 0.01, "initial_accumulator_value": 0.2, "weight_decay": 0.02, "eps": 1e-6}),
    ("adadelta", {}),
    ("adadelta", {"rho": 0.95, "eps": 1e-5, "weight_decay": 0.01}),
    ("rmsprop", {}),
    ("rmsprop", {"alpha": 0.9, "centered": True}),
    ("rmsprop", {"alpha": 0.95, "momentum": 0.5, "centered": True, "weight_decay": 0.01, "eps": 1e-6}),
    ("rmsprop", {"momentum": 0.9}),
    ("adam", {}),
    ("adam", {"betas": (0.8, 0.95), "weight_decay": 0.1, "eps": 1e-6}),
    ("adam", {"amsgrad": True}),
    ("adamw", {}),
    ("adamw", {"betas": (0.9, 0.95), "weight_decay": 0.2, "amsgrad": True}),
    ("nadam", {}),
    ("nadam", {"momentum_decay": 0.01, "weight_decay": 0.1, "betas": (0.85, 0.99)}),
    ("nadam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("radam", {}),
    ("radam", {"betas": (0.9, 0.99), "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("radam", {"weight_decay": 0.1, "betas": (0.8, 0.7)}),  # rho never passes 5
]
LRS = (3e-4, 1e-3, 1e-2)
STEPS = 200
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request):
    # torch's NAdam keeps a running product in the default dtype.
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def problem(shapes, dtype, seed=3):
    """A smooth problem whose gradient at step t has noise: (start, gradient(params, t))."""
    generator = torch.Generator().manual_seed(seed)
    start = [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for s in shapes]
    scale = [(1 + torch.rand(s, generator=generator, dtype=torch.float64)).to(dtype) for s in shapes]
    noise = [torch.randn(STEPS, *s, generator=generator, dtype=torch.float64).to(dtype) for s in shapes]

    def gradient(params, t):
        return [s * p.tanh() + 0.5 * n[t] for p, s, n in zip(params, scale, noise, strict=True)]

    return start, gradient


def train_twin(name, options, lr, shapes, dtype, steps=STEPS):
    start, gradient = problem(shapes, dtype)
    params = [p.clone() for p in start]
    optimizer = TWINS[name](params, lr=lr, foreach=False, **options)
    for t in range(steps):
        for p, g in zip(params, gradient(params, t), strict=True):
            p.grad = g
        optimizer.step()
    return params


def train_members(name, options, lrs, shapes, dtype, steps=STEPS, **scales):
    start, gradient = problem(shapes, dtype)
    params = [p.expand(len(lrs), *p.shape).clone() for p in start]
    rule = make_rule(name, options)
    state = rule.init(params)
    rates = torch.tensor(lrs, dtype=torch.float64)
    for t in range(steps):
        rule.step(params, gradient(params, t), state, rates, t, **scales)
    return params


def assert_close(actual, expected, dtype):
    for a, e in zip(actual, expected, strict=True):
        worst = float(((a - e).abs() / e.abs().clamp_min(1)).max())
        assert worst <= TOLERANCE[dtype], worst


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda v: str(v))
def test_members_agree_with_torch_optim(name, options, dtype):
    shapes = [(3, 4), (5,)]
    members = train_members(name, options, LRS, shapes, dtype)
    for k, lr in enumerate(LRS):
        assert_close([p[k] for p in members], train_twin(name, options, lr, shapes, dtype), dtype)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {}),
        ("sgd", {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
        ("sgd", {"momentum": 0.9, "nesterov": True}),
        ("adam", {"weight_decay": 0.1}),
        ("adam", {"amsgrad": True}),
        ("adamw", {}),
    ],
    ids=lambda v: str(v),
)
def test_large_tensors_take_native_kernels_and_agree(name, options, dtype, monkeypatch):
    monkeypatch.setattr("surefoot.engines.update_rules.rule.NATIVE_FROM", 8)
    calls = []
    for kernel in ("_fused_sgd_", "_fused_adam_", "_fused_adamw_"):
        real = getattr(torch, kernel)
        monkeypatch.setattr(torch, kernel, lambda *a, real=real, **k: (calls.append(1), real(*a, **k)))
    members = train_members(name, options, LRS, [(3, 4)], dtype)
    assert len(calls) == len(LRS) * STEPS
    for k, lr in enumerate(LRS):
        assert_close([p[k] for p in members], train_twin(name, options, lr, [(3, 4)], dtype), dtype)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {"momentum": [0.0, 0.5, 0.9], "weight_decay": [0.0, 0.1, 0.01], "dampening": [0.5, 0.1, 0.0]}),
        ("sgd", {"momentum": [0.3, 0.5, 0.9], "nesterov": True}),
        ("adagrad", {"eps": [1e-10, 1e-6, 1e-3], "lr_decay": [0, 0.01, 0.1], "initial_accumulator_value": [0, 1, 2]}),
        ("adadelta", {"rho": [0.5, 0.9, 0.95], "eps": [1e-6, 1e-5, 1e-4]}),
        ("rmsprop", {"alpha": [0.9, 0.95, 0.99], "momentum": [0.0, 0.5, 0.9], "centered": True}),
        ("adam", {"betas": ([0.8, 0.9, 0.95], [0.9, 0.99, 0.999]), "eps": [1e-8, 1e-4, 1e-6]}),
        ("adamw", {"betas": ([0.8, 0.9, 0.95], 0.99), "weight_decay": [0.0, 0.1, 0.5]}),
        ("nadam", {"betas": (0.9, [0.9, 0.99, 0.999]), "momentum_decay": [0.0, 0.01, 0.1]}),
        ("radam", {"betas": ([0.8, 0.9, 0.95], [0.7, 0.99, 0.999]), "weight_decay": [0.0, 0.1, 0.5]}),
    ],
    ids=lambda v: str(v),
)
def test_each_member_has_options_of_its_own(name, options, dtype):
    def own(value, k):
        if isinstance(value, tuple):
            return tuple(own(v, k) for v in value)
        return value[k] if isinstance(value, list) else value

    members = train_members(name, options, LRS, [(3, 4), (5,)], dtype)
    for k, lr in enumerate(LRS):
        twin = train_twin(name, {o: own(v, k) for o, v in options.items()}, lr, [(3, 4), (5,)], dtype)
        assert_close([p[k] for p in members], twin, dtype)


def test_taking_members_continues_them(dtype):
    options = {"betas": ([0.8, 0.9, 0.95], 0.99)}
    start, gradient = problem([(4,)], dtype)
    params = [start[0].expand(3, 4).clone()]
    rule = make_rule("adam", options)
    state = rule.init(params)
    rates = torch.tensor(LRS, dtype=torch.float64)
    for t in range(STEPS):
        if t == 50:
            keep = [2, 0]
            params, rates, rule = [p[keep] for p in params], rates[keep], rule.take(keep)
            state = {slot: [s[keep] for s in each] for slot, each in state.items()}
        rule.step(params, gradient(params, t), state, rates, t)
    for row, k in enumerate([2, 0]):
        twin = train_twin("adam", {"betas": (options["betas"][0][k], 0.99)}, LRS[k], [(4,)], dtype)
        assert_close([p[row] for p in params], twin, dtype)


def test_momentum_can_move_from_step_to_step():
    start, gradient = problem([(4,)], torch.float64)
    for name, options in (("sgd", {"momentum": 0.9}), ("adam", {"betas": (0.9, 0.99)})):
        params, twin = [start[0].expand(2, 4).clone()], start[0].clone()
        rule = make_rule(name, options)
        state = rule.init(params)
        optimizer = TWINS[name]([twin], lr=1e-2, **options)
        for t in range(60):
            momentum = 0.95 - 0.1 * math.sin(t / 20)
            rule.step(params, gradient(params, t), state, 1e-2, t, momentum=momentum)
            key = {"momentum": momentum} if name == "sgd" else {"betas": (momentum, 0.99)}
            optimizer.param_groups[0].update(key)
            twin.grad = gradient([twin], t)[0]
            optimizer.step()
        # Adam's correction uses this step's beta in both.
        assert_close([params[0][1]], [twin], torch.float64)


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("dtype", [torch.float64], indirect=True)
def test_groups_scale_rate_and_decay_like_parameter_groups(name, dtype):
    shapes = [(3, 4), (5,)]
    columns = torch.tensor([1.0, 1.0, 0.1, 0.1, 0.0], dtype=dtype)
    members = train_members(
        name,
        {"weight_decay": 0.1},
        LRS,
        shapes,
        dtype,
        50,
        lr_scale=[0.5, columns.unsqueeze(0)],
        weight_decay=[None, 0.0],
    )
    start, gradient = problem(shapes, dtype)
    for k, lr in enumerate(LRS):
        matrix, vector = (p.clone() for p in start)
        parts = [vector[:2].clone(), vector[2:4].clone(), vector[4:].clone()]
        groups = [
            {"params": [matrix], "lr": lr * 0.5, "weight_decay": 0.1},
            {"params": [parts[0]], "lr": lr, "weight_decay": 0.0},
            {"params": [parts[1]], "lr": lr * 0.1, "weight_decay": 0.0},
            {"params": [parts[2]], "lr": 0.0, "weight_decay": 0.0},
        ]
        optimizer = TWINS[name](groups, lr=lr, foreach=False)
        for t in range(50):
            matrix.grad, g = gradient([matrix, torch.cat(parts)], t)
            for part, piece in zip(parts, g.split([2, 2, 1]), strict=True):
                part.grad = piece
            optimizer.step()
        assert_close([p[k] for p in members], [matrix, torch.cat(parts)], dtype)


def test_defaults_are_torchs():
    parameter = [torch.zeros(2)]
    for name, rule_class in RULES.items():
        torchs = TWINS[name](parameter).defaults
        rule = rule_class({})
        assert rule.default_lr == torchs["lr"]
        for option, value in {**rule.values, **rule.switches}.items():
            expected = torchs["betas"][int(option[6])] if option.startswith("betas[") else torchs[option]
            assert value == expected, (name, option)


def test_clipping_is_per_member_and_like_torchs():
    generator = torch.Generator().manual_seed(0)
    grads = [torch.randn(3, 4, 2, generator=generator), torch.randn(3, 5, generator=generator)]
    grads = [g * torch.tensor([0.1, 1.0, 10.0]).view(3, *[1] * (g.ndim - 1)) for g in grads]
    twins = []
    for k in range(3):
        params = [torch.zeros(g.shape[1:]) for g in grads]
        for p, g in zip(params, grads, strict=True):
            p.grad = g[k].clone()
        norm = torch.nn.utils.clip_grad_norm_(params, 2.0)
        twins.append((norm, params))
    norms = clip_members(grads, 2.0)
    for k, (norm, params) in enumerate(twins):
        assert torch.allclose(norms[k], norm)
        for g, p in zip(grads, params, strict=True):
            assert torch.allclose(g[k], p.grad)
    assert member_norms(grads)[2] == pytest.approx(2.0, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("adamm", {}, ["`optimizer`", "'adamm'", "did you mean `adam"]),
        ("sgd", {"momentun": 0.9}, ["`momentun`", "did you mean `momentum`", "nesterov"]),
        ("sgd", {"momentum": -0.1}, ["`momentum`", "-0.1", "0 or larger"]),
        ("sgd", {"momentum": math.nan}, ["`momentum`", "nan"]),
        ("sgd", {"momentum": True}, ["`momentum`", "True", "number"]),
        ("sgd", {"nesterov": True}, ["`momentum`", "above 0"]),
        ("sgd", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ["`dampening`", "0"]),
        ("sgd", {"nesterov": 1}, ["`nesterov`", "True or False"]),
        ("adam", {"betas": 0.9}, ["`betas`", "pair"]),
        ("adam", {"betas": (0.9, 1.0)}, ["`betas[1]`", "from 0 to below 1"]),
        ("adam", {"eps": -1e-8}, ["`eps`", "0 or larger"]),
        ("adadelta", {"rho": 1.5}, ["`rho`", "from 0 to 1"]),
        ("sgd", {"momentum": [0.1, 0.2], "weight_decay": [0.1]}, ["`weight_decay`", "1 values", "2"]),
    ],
)
def test_refusals_name_option_value_range_and_nearest(name, options, words):
    with pytest.raises(RecipeError) as caught:
        make_rule(name, options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
