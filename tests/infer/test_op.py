import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from known_posteriors import bug, straight

from mscale_uq.errors import NoGradient
from mscale_uq.infer.density import MODE, Density
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.op import LogLikelihoodOp, LogLikelihoodValueOp

POINT = np.array([0.4, 1.1])


def graph(gradient=True, **settings):
    likelihood = Likelihood(straight(1.0, **settings), Ledger(), gradient)
    theta = pt.dvector("theta")
    op = LogLikelihoodOp(likelihood) if gradient else LogLikelihoodValueOp(likelihood)
    density = op.make_node(theta).outputs[0]
    return likelihood, theta, density


@pytest.mark.parametrize("mode", [MODE, "FAST_COMPILE"])
def test_value_and_gradient_are_one_evaluation(mode):
    likelihood, theta, density = graph()
    function = pytensor.function([theta], [density, pytensor.grad(density, theta)], mode=mode)
    for i in range(20):
        function(POINT + 0.01 * i)
    assert likelihood.ledger.requests == 20
    assert likelihood.ledger.evaluations == 20


@pytest.mark.parametrize("mode", [MODE, "FAST_COMPILE"])
def test_the_operator_gives_the_posteriors_own_numbers(mode):
    _, theta, density = graph()
    function = pytensor.function([theta], [density, 3 * pytensor.grad(density, theta)], mode=mode)
    value, slope = function(POINT)
    wanted, wanted_slope = straight().log_likelihood_gradient(POINT)
    assert value == wanted
    assert slope == pytest.approx(3 * wanted_slope, rel=1e-14)


@pytest.mark.parametrize("mode", [MODE, "FAST_COMPILE"])
def test_without_a_gradient_there_is_the_value(mode):
    _, theta, density = graph(gradient=False)
    assert pytensor.function([theta], density, mode=mode)(POINT) == straight().log_likelihood(POINT)


@pytest.mark.parametrize("mode", [MODE, "FAST_COMPILE"])
def test_working_in_place_does_not_spoil_what_is_remembered(mode):
    _, theta, density = graph()
    function = pytensor.function([theta], [density, -2 * pytensor.grad(density, theta) + 1], mode=mode)
    first = [np.array(part) for part in function(POINT)]
    second = function(POINT)
    assert second[0] == first[0]
    assert np.array_equal(second[1], first[1])


def test_a_second_derivative_is_refused():
    _, theta, density = graph()
    slope = pytensor.grad(density, theta)
    with pytest.raises(NoGradient, match="no second derivative"):
        pytensor.grad(slope.sum(), theta)


@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize("mode", [MODE, "FAST_COMPILE"])
def test_minus_infinity_goes_through_compiled_code(mode, gradient):
    _, theta, density = graph(gradient)
    total = density - 0.5 * pt.sum(theta**2)
    assert pytensor.function([theta], total, mode=mode)(np.array([2.0, 0.0])) == -np.inf


def test_two_models_in_one_process_do_not_mix():
    functions, wanted = [], []
    for shift in (0.0, 1.0):
        target = straight()
        target.experiments[0].observed["reading"] += shift
        density = Density(target, Ledger(), gradient=True)
        functions.append(density.function())
        wanted.append(target.logpdf(density.physical(POINT)) - target.logpdf(density.physical(-POINT)))
    found = [function(POINT)[0] - function(-POINT)[0] for function in functions]
    assert found == pytest.approx(wanted, rel=1e-12)


def test_a_bug_in_a_model_comes_out_with_its_own_message_and_line():
    density = Density(straight(1.0, bug), Ledger(), gradient=True)
    function = density.function()
    with pytest.raises(TypeError) as caught:
        function(np.array([3.0, 0.0]))
    assert "Apply node" not in str(caught.value)
    assert caught.traceback[-1].path.name == "known_posteriors.py"
    assert "# the bug" in str(caught.traceback[-1].statement)
