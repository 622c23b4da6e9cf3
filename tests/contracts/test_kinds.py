"""The specimens, each against its exact answer."""

import multiprocessing
import pickle

import numpy as np
import pytest
from kinds import chain, chance, event, feedback, hierarchy, stepping
from scipy.special import lambertw
from scipy.stats import norm

from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible, NoGradient

SMOOTH = {
    "chain": chain.forward,
    "feedback": feedback.forward,
    "event": event.forward,
    "stepping": lambda: stepping.space().forward([1.0, 5.0, 5.0, 20.0]),
}


@pytest.mark.parametrize("kind", SMOOTH)
def test_every_smooth_kind_has_an_exact_gradient(kind):
    model = SMOOTH[kind]()
    check = check_gradient(model, model.theta(), np.random.default_rng(1))
    assert check.ok, check


@pytest.mark.parametrize("kind", [*SMOOTH, "chance"])
def test_every_kind_survives_a_spawned_worker(kind):
    model = chance.forward() if kind == "chance" else SMOOTH[kind]()
    thetas = np.stack([model.theta(), 1.1 * model.theta()])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.array_equal(model.batch(thetas, map=pool.map).values, model.batch(thetas).values)


def test_the_chain_shows_every_quantity_on_the_way():
    trace = chain.forward().trace(chain.forward().theta())
    assert trace["D_eff"] == pytest.approx(3e-10, rel=1e-14)
    modulus = np.sqrt(0.01 / 3e-10) * 200e-6
    assert trace["oxygen"][0] == pytest.approx(np.cosh(0.75 * modulus) / np.cosh(modulus), rel=1e-13)


@pytest.mark.parametrize("heating", [0.01, 0.2, 0.36, 0.3678])
def test_feedback_finds_the_lower_branch_of_lamberts_function(heating):
    model = feedback.forward()
    solution = -lambertw(-heating).real
    assert model.value([heating])[0] == pytest.approx(solution, rel=1e-10)
    slope = np.exp(solution) / (1 - solution)
    assert model.jvp([heating], [1.0])[0] == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("heating", [0.37, 0.5, 3.0])
def test_feedback_beyond_the_fold_says_that_there_is_no_solution(heating):
    with pytest.raises(Infeasible, match="self-heating: no solution"):
        feedback.forward().value([heating])


def test_the_event_time_is_the_logarithm_it_must_be():
    assert event.forward().value([10.0, 0.3, 2.0])[0] == pytest.approx(np.log(5) / 0.3, rel=1e-12)


def test_a_rollout_follows_the_exact_relaxation():
    space = stepping.space()
    times = np.array([0.0, 2.0, 30.0])
    path = space.forward(times).value([4.0, 0.1])
    assert path == pytest.approx(40 + (10 - 40) * np.exp(-0.1 * times), rel=1e-13)


def test_one_filter_step_on_the_same_object_equals_the_joint_gaussian():
    space = stepping.space()
    values = space.prepare({"making": 4.0, "loss": 0.1})
    mean, cov = space.initial(values)
    forecast, step = space.dynamics.linearize_step(mean, 0.0, 5.0, values)
    A = step.jvp({"state": np.eye(1)[0]})["state"]
    P = A * cov * A + space.dynamics.noise(0.0, 5.0, values)
    camera = space.observations["camera"]
    seen = space.observe("camera", forecast, values)
    R = camera.cov(seen)
    gain = P / (P + R)
    filtered = forecast + gain[0] * (30.0 - camera.mean(seen))

    # Independently: condition the joint law of (state at 5, reading at 5), written out by hand.
    kept = np.exp(-0.5)
    prior_mean, prior_var = 40 - 30 * kept, 25 * kept**2 + 40 * (1 - kept**2)
    exact = (prior_mean / prior_var + 30.0 / 9.0) / (1 / prior_var + 1 / 9.0)
    assert filtered[0] == pytest.approx(exact, rel=1e-12)


def test_an_ensemble_steps_all_members_with_their_own_parameters():
    space = stepping.space()
    values = {"making": np.array([4.0, 8.0]), "loss": np.array([0.1, 0.2])}
    moved = space.step(np.array([[10.0], [10.0]]), 0.0, 3.0, values, np.random.default_rng(0))
    assert moved[:, 0] == pytest.approx([40 - 30 * np.exp(-0.3), 40 - 30 * np.exp(-0.6)], rel=1e-13)


def test_common_random_numbers_repeat_and_the_stated_error_is_right():
    model = chance.forward()
    assert model.value([2.0]) == model.value([2.0])
    keys = range(200)
    means = np.array([model.with_key(key).value([2.0])[0] for key in keys])
    stated = np.mean([model.with_key(key).trace([2.0])["diffusivity_var"] for key in keys])
    # Skellam walkers: diffusivity = hop_rate. The mean is within 4 standard errors, the variance within
    # 4 of its own (relative sd sqrt(2/199) = 0.1).
    assert abs(means.mean() - 2.0) < 4 * np.sqrt(stated / len(means))
    assert means.var(ddof=1) / stated == pytest.approx(1.0, abs=0.4)


def test_a_random_stage_without_derivative_says_so():
    with pytest.raises(NoGradient, match="hopping"):
        chance.forward().jvp([2.0], [1.0])


def test_a_hierarchy_adds_up_to_the_product_of_its_densities():
    posterior = hierarchy.posterior()
    theta = np.array([4.5, 0.2, 95.0, 110.0, 0.003])
    by_hand = (
        norm(4.6, 0.5).logpdf(4.5)
        + np.log(2) + norm(0, 0.3).logpdf(0.2)
        + sum(norm(4.5, 0.2).logpdf(np.log(s)) - np.log(s) for s in (95.0, 110.0))
        + np.log(2) + norm(0, 0.01).logpdf(0.003)
        + norm(np.array([10, 20]) / (2 * 95), 0.003).logpdf([0.051, 0.098]).sum()
        + norm(np.array([10, 20, 30]) / (5 * 110), 0.003).logpdf([0.019, 0.041, 0.062]).sum()
    )  # fmt: skip
    assert posterior.logpdf(theta) == pytest.approx(by_hand, rel=1e-13)
    assert posterior.names == ("typical", "spread", "stiffness[0]", "stiffness[1]", "reading_error")


def test_the_gradient_of_a_hierarchy_agrees_with_differences():
    posterior = hierarchy.posterior()
    theta = np.array([4.5, 0.2, 95.0, 110.0, 0.003])
    gradient = posterior.logpdf_gradient(theta)[1]
    for i, step in enumerate(1e-5 * theta):
        up, down = theta.copy(), theta.copy()
        up[i] += step
        down[i] -= step
        central = (posterior.logpdf(up) - posterior.logpdf(down)) / (2 * step)
        assert gradient[i] == pytest.approx(central, rel=1e-7)


def test_a_posterior_pickles():
    posterior = hierarchy.posterior()
    theta = np.array([4.5, 0.2, 95.0, 110.0, 0.003])
    assert pickle.loads(pickle.dumps(posterior)).logpdf(theta) == posterior.logpdf(theta)
