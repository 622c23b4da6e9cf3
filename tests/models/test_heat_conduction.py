"""What the heated plate must do, in steady state and in time."""

import numpy as np
import pytest
from mscale_uq.models.transport.heat_conduction import X, Y, forward, space

from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import ParameterError


def test_every_reading_has_an_x_and_a_y():
    with pytest.raises(ParameterError, match="heat_conduction: 2 of x, 3 of y; allowed: one x, y"):
        forward(x=[0.01, 0.02], y=[0.01, 0.02, 0.03])


def test_only_temperature_differences_drive_heat():
    """Raising ambient and cold temperature alike shifts every temperature and changes no flow."""
    model = forward()
    linear = model.linearize_named(model.theta())[1]
    both = linear.jvp({"cold_temperature": np.array(1.0), "ambient_temperature": np.array(1.0)})
    assert both["temperature"] == pytest.approx(np.ones(len(X)), rel=1e-9)
    assert both["cooling_power"] == pytest.approx(0.0, abs=1e-9)


def test_temperatures_scale_with_power_over_conductivity():
    model = forward()
    cold = {"cold_temperature": 290.0, "ambient_temperature": 290.0}
    one = model.value(model.theta(**cold))
    two = model.value(
        model.theta(
            **cold, heater_power=100.0, matrix_conductivity=0.4, filler_conductivity=8.0, heat_transfer=20.0
        )
    )
    assert two[:-1] == pytest.approx(one[:-1], rel=1e-12)
    assert two[-1] == pytest.approx(2 * one[-1], rel=1e-10)


def test_the_plate_is_hotter_than_its_surroundings_and_hottest_at_the_heater():
    model = forward()
    temperature = model.trace(model.theta())["temperature"]
    assert temperature.min() > 290.0
    hottest = int(np.argmax(temperature))
    assert (X[hottest], Y[hottest]) == pytest.approx((0.028, 0.02))


def test_warming_up_ends_in_the_steady_state():
    late = forward(x=X, y=Y, time=np.full(len(X), 2e5), mode="transient", max_step=4e3)
    steady = forward()
    shared = {p.name: p.default for p in steady.parameters}
    assert late.value(late.theta(**shared)) == pytest.approx(steady.value(steady.theta())[:-1], abs=1e-4)


def test_a_table_in_time_may_come_in_any_order():
    time, x, y = np.array([60.0, 600.0, 60.0]), [0.006, 0.016, 0.038], [0.004, 0.02, 0.032]
    model = forward(x=x, y=y, time=time, mode="transient")
    order = [1, 2, 0]
    shuffled = forward(x=np.array(x)[order], y=np.array(y)[order], time=time[order], mode="transient")
    assert shuffled.value(shuffled.theta()) == pytest.approx(model.value(model.theta())[order], rel=1e-14)


def test_the_same_object_is_rolled_out_and_filtered():
    """A noiseless forecast by the filter's own calls is the forward model's prediction."""
    plate = space()
    theta = {p.name: np.asarray(p.default) for p in plate.parameters}
    values = plate.prepare(theta)
    state, _ = plate.initial(values)
    times = [100.0, 400.0]
    seen, now = [], 0.0
    for time in times:
        state = plate.step(state[None, :], now, time, values, np.random.default_rng(0))[0]
        seen.append(plate.observations["thermocouples"].mean(plate.observe("thermocouples", state, values)))
        now = time
    model = plate.forward(times)
    assert np.ravel(seen) == pytest.approx(model.value(model.theta()), rel=1e-12)


def test_one_specimen_leaves_a_ridge_and_three_do_not():
    """Fisher information of (ln k_m, ln k_i): singular for one filler fraction, regular for three."""

    def information(fractions):
        total = np.zeros((2, 2))
        for fraction in fractions:
            model = forward()
            theta = model.theta(filler_fraction=fraction)
            in_logs = model.jacobian(theta)[:, :2] * theta[:2]
            in_noise = in_logs / np.array([*[0.2] * len(X), 0.4])[:, None]
            total += in_noise.T @ in_noise
        return np.linalg.eigvalsh(total)

    one, three = information([0.4]), information([0.2, 0.4, 0.6])
    assert one[0] < 1e-8 * one[1]
    assert three[0] > 1e-3 * three[1]


def test_the_gradient_in_time_is_exact():
    model = forward(
        x=X[:3], y=Y[:3], time=[60.0, 600.0, 1200.0], mode="transient", elements=10, cell_elements=8
    )
    theta = model.theta(filler_fraction=0.37)
    check = check_gradient(model, theta, np.random.default_rng(0))
    assert check.ok, check


@pytest.mark.parametrize(("mode", "time"), [("transient", None), ("steady", np.full(len(X), 60.0))])
def test_readings_in_time_and_the_steady_plate_are_not_mixed_up(mode, time):
    with pytest.raises(ParameterError, match=f"in mode '{mode}'"):
        forward(time=time, mode=mode)


def test_sampling_accuracy_moves_no_reading_by_a_thousandth_of_its_noise():
    """At conductivities all over their priors, whose contrasts reach 100; slopes to 1e-3 of the largest."""
    exact, fast = forward(), forward(accuracy="sampling")
    noise = np.r_[np.full(len(X), 0.2), 0.4]
    for matrix, filler, fraction in ((0.2, 4.0, 0.4), (0.3, 30.0, 0.6), (0.5, 1.5, 0.2)):
        theta = exact.theta(matrix_conductivity=matrix, filler_conductivity=filler, filler_fraction=fraction)
        (readings, slope), (quick, quick_slope) = (
            (model.value(theta), model.jacobian(theta)) for model in (exact, fast)
        )
        assert 0 < (np.abs(quick - readings) / noise).max() < 1e-3
        assert np.all(np.abs(quick_slope - slope) < 1e-3 * np.abs(slope).max(axis=0))
