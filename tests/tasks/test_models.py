from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from surefoot.errors import InputError
from surefoot.tasks.models.batch_norm_cnn import batch_norm_cnn
from surefoot.tasks.models.initialisation import initialise
from surefoot.tasks.models.lenet import lenet
from surefoot.tasks.models.linear import linear
from surefoot.tasks.models.mlp import ACTIVATIONS, mlp
from surefoot.tasks.models.recurrent import ElmanCell, GRUCell, recurrent
from surefoot.tasks.models.simple_cnn import simple_cnn
from surefoot.tasks.models.small_cnn import small_cnn
from surefoot.tasks.models.transformer import Attention, transformer

SYMBOLS, LENGTH, BATCH = 7, 9, 6


def _numbers(*shape):
    return lambda: torch.randn(BATCH, *shape, generator=torch.Generator().manual_seed(1))


def _codes():
    return torch.randint(SYMBOLS, (BATCH, LENGTH), generator=torch.Generator().manual_seed(1))


CASES = {  # name: (factory, inputs, classes, parameters)
    "linear": (lambda: linear(5, 3), _numbers(5), 3, 18),
    "mlp": (lambda: mlp((5, 8, 3), activation="tanh", init="xavier"), _numbers(5), 3, 75),
    "mlp 784-256-10": (lambda: mlp((784, 256, 10)), _numbers(784), 10, 203_530),
    "simple_cnn": (simple_cnn, _numbers(1, 28, 28), 10, 67_710),
    "small_cnn": (small_cnn, _numbers(1, 8, 8), 10, 9_930),
    "lenet": (lenet, _numbers(1, 28, 28), 10, 61_706),
    "batch_norm_cnn 8": (lambda: batch_norm_cnn(size=8), _numbers(1, 8, 8), 10, 1_946),
    "batch_norm_cnn 28": (lambda: batch_norm_cnn(size=28), _numbers(1, 28, 28), 10, 9_146),
    "elman": (lambda: recurrent(SYMBOLS, width=8, cell="elman"), _codes, SYMBOLS, 255),
    "gru": (lambda: recurrent(SYMBOLS, width=8, cell="gru"), _codes, SYMBOLS, 551),
    "transformer": (
        lambda: transformer(SYMBOLS, context=LENGTH, width=8, heads=2, depth=1),
        _codes,
        SYMBOLS,
        1_079,
    ),
}


def _without_dropout(model):
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def _targets(x, classes):
    return x if not x.is_floating_point() else torch.arange(BATCH) % classes


@pytest.mark.parametrize("name", CASES)
def test_model_has_the_documented_parameters_and_shape(name):
    factory, inputs, classes, parameters = CASES[name]
    torch.manual_seed(0)
    model, x = factory(), inputs()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    expected = (BATCH, classes) if x.is_floating_point() else (BATCH, classes, LENGTH)
    assert model(x).shape == expected
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize("name", CASES)
def test_many_members_at_once_have_the_gradients_of_each_alone(name):
    factory, inputs, classes, _ = CASES[name]
    torch.manual_seed(0)
    members = [_without_dropout(factory().double()) for _ in range(3)]
    x = inputs()
    x = x.double() if x.is_floating_point() else x
    y = _targets(x, classes)
    parameters, buffers = stack_module_state(members)

    def loss(values, states):
        return F.cross_entropy(functional_call(members[0], (values, states), (x,)), y)

    together = vmap(grad(loss), randomness="different")(parameters, buffers)
    for index, member in enumerate(members):
        F.cross_entropy(member(x), y).backward()
        for key, parameter in member.named_parameters():
            torch.testing.assert_close(together[key][index], parameter.grad, rtol=1e-9, atol=1e-12)
            assert parameter.grad.abs().max() > 0
        for key, buffer in member.named_buffers():  # the running statistics of batch normalisation
            if key in buffers:
                torch.testing.assert_close(buffers[key][index], buffer)


def test_batch_normalisation_and_dropout_are_on_in_training_only():
    torch.manual_seed(0)
    model, x = batch_norm_cnn(size=8, dropout=0.5), _numbers(1, 8, 8)()
    before = model[1].running_mean.clone()
    assert not torch.equal(model(x), model(x))
    assert not torch.equal(model[1].running_mean, before)
    model.eval()
    after = model[1].running_mean.clone()
    assert torch.equal(model(x), model(x))
    assert torch.equal(model[1].running_mean, after)


def test_simple_cnn_gives_log_probabilities_so_that_both_losses_agree():
    torch.manual_seed(0)
    output = simple_cnn()(_numbers(1, 28, 28)())
    torch.testing.assert_close(output.exp().sum(1), torch.ones(BATCH))
    y = torch.arange(BATCH)
    torch.testing.assert_close(F.cross_entropy(output, y), F.nll_loss(output, y))


@pytest.mark.parametrize("name", ["elman", "gru", "transformer"])
def test_sequence_models_do_not_see_ahead(name):
    torch.manual_seed(0)
    model = CASES[name][0]()
    codes = _codes()
    changed = codes.clone()
    changed[:, 5] = (changed[:, 5] + 1) % SYMBOLS
    first, second = model(codes), model(changed)
    torch.testing.assert_close(first[..., :5], second[..., :5])
    assert (first[..., 5:] - second[..., 5:]).abs().amax(dim=(0, 1)).min() > 1e-6  # and the past is remembered


@pytest.mark.parametrize("name", ["elman", "gru"])
def test_recurrent_cells_are_those_of_torch(name):
    torch.manual_seed(0)
    cell = {"elman": ElmanCell, "gru": GRUCell}[name](3, 4).double()
    twin = {"elman": nn.RNN, "gru": nn.GRU}[name](3, 4, batch_first=True).double()
    with torch.no_grad():
        twin.weight_ih_l0.copy_(cell.outside.weight)
        twin.bias_ih_l0.copy_(cell.outside.bias)
        twin.weight_hh_l0.copy_(cell.inside.weight)
        twin.bias_hh_l0.copy_(cell.inside.bias if cell.inside.bias is not None else torch.zeros(4))
    x, state, states = torch.randn(2, 5, 3).double(), torch.zeros(2, 4).double(), []
    for moment in range(5):
        state = cell(cell.outside(x[:, moment]), state)
        states.append(state)
    torch.testing.assert_close(torch.stack(states, dim=1), twin(x)[0])


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    layer = Attention(8, 2, LENGTH).double()
    x = torch.randn(BATCH, LENGTH, 8).double()
    parts = [part.reshape(BATCH, LENGTH, 2, 4).transpose(1, 2) for part in layer.inward(x).chunk(3, dim=-1)]
    taken = F.scaled_dot_product_attention(*parts, is_causal=True)
    torch.testing.assert_close(layer(x), layer.outward(taken.transpose(1, 2).reshape(BATCH, LENGTH, 8)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_applies_the_activation_between_layers_only(activation):
    torch.manual_seed(0)
    model, x = mlp((4, 6, 2), activation=activation), _numbers(4)()
    function = ACTIVATIONS[activation]()
    hidden = function(F.linear(x, model[0].weight, model[0].bias))
    torch.testing.assert_close(model(x), F.linear(hidden, model[2].weight, model[2].bias))
    squashed = mlp((4, 6, 2), activation=activation, output="sigmoid")(x)
    assert ((squashed > 0) & (squashed < 1)).all()


def test_default_initialisation_is_that_of_torch_draw_for_draw():
    torch.manual_seed(0)
    model = mlp((4, 6, 2))
    torch.manual_seed(0)
    layers = [nn.Linear(4, 6), nn.Linear(6, 2)]
    assert torch.equal(model[0].weight, layers[0].weight)
    assert torch.equal(model[2].bias, layers[1].bias)


@pytest.mark.parametrize(
    ("init", "mean", "variance", "fourth"),
    [  # fan-in 200, fan-out 100; fourth: kurtosis of the distribution, which sets the error of the variance
        ("torch", 0.0, 1 / (3 * 200), 1.8),
        ("kaiming", 0.0, 2 / 200, 3.0),
        ("xavier", 0.0, 2 / 300, 1.8),
        ("normal", 0.0, 1.0, 3.0),
        ("normal(0.1)", 0.0, 0.01, 3.0),
        ("uniform", 0.5, 1 / 12, 1.8),
    ],
)
def test_initialisation_has_the_moments_of_its_name(init, mean, variance, fourth):
    torch.manual_seed(11)
    layer = nn.Linear(200, 100).double()
    initialise(layer, init)
    weights = layer.weight.detach()
    count = weights.numel()
    assert weights.mean().item() == pytest.approx(mean, abs=4 * (variance / count) ** 0.5)
    assert weights.var().item() == pytest.approx(variance, abs=4 * variance * ((fourth - 1) / count) ** 0.5)
    kurtosis = ((weights - weights.mean()) ** 4).mean() / weights.var() ** 2
    assert kurtosis.item() == pytest.approx(fourth, abs=4 * (24 / count) ** 0.5)
    assert bool(layer.bias.any()) == (init in ("torch", "uniform"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: mlp((5,)), r"`widths` is \(5,\)"),
        (lambda: mlp(5), "`widths` is 5"),
        (lambda: mlp((5, 0, 3)), r"`widths\[1\]` is 0"),
        (lambda: mlp((5, 2.5)), r"`widths\[1\]` is 2.5"),
        (lambda: mlp((5, True)), r"`widths\[1\]` is True"),
        (lambda: mlp((5, 3), activation="rleu"), "`activation` is 'rleu'; give one of relu"),
        (lambda: mlp((5, 3), output="soft"), "`output` is 'soft'"),
        (lambda: mlp((5, 3), init="he"), "`init` is 'he'"),
        (lambda: mlp((5, 3), init="normal(-1)"), "above 0"),
        (lambda: mlp((5, 3), init="normal(1e)"), "above 0"),
        (lambda: linear(0, 3), "`inputs` is 0"),
        (lambda: small_cnn(size=1), "`size` is 1"),
        (lambda: small_cnn(channels=(0, 3)), r"`channels\[0\]` is 0"),
        (lambda: lenet(outputs=0), "`outputs` is 0"),
        (lambda: batch_norm_cnn(size=10), "`size` is 10; give a multiple of 4"),
        (lambda: batch_norm_cnn(dropout=1.0), "`dropout` is 1.0"),
        (lambda: recurrent(5, cell="lstm"), "`cell` is 'lstm'; give elman or gru"),
        (lambda: recurrent(0), "`symbols` is 0"),
        (lambda: transformer(5, width=10, heads=4), r"`width` is 10; give a multiple of `heads` \(4\)"),
        (lambda: transformer(5, depth=0), "`depth` is 0"),
    ],
)
def test_models_refuse_by_name(make, said):
    with pytest.raises(InputError, match=said):
        make()
