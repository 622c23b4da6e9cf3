"""A case says what it means, and every mistake in it is told with its file, its key and what is allowed."""

import re
import tomllib

import numpy as np
import pytest
from good_case import FILES, GOOD, written
from scipy import stats

from mscale_uq.case.binding import fixed
from mscale_uq.case.read import read_case
from mscale_uq.catalog import data_root, find_case
from mscale_uq.core.parameter import Parameter
from mscale_uq.errors import CaseError, InputError

pytestmark = pytest.mark.usefixtures("toys")


def test_numbers_arrive_in_the_models_units(tmp_path):
    case = read_case(written(tmp_path))
    posterior = case.posterior()
    assert posterior.names == ("offset", "offset_of_second", "speed", "noise")
    first, second = posterior.experiments
    values = posterior.split([0.5, -0.5, 2.0, 0.01])
    assert np.allclose(first.trace(values)["length"], [0.5, 60.5, 120.5])
    assert first.trace(values)["end"] == pytest.approx(0.5 + 2 * 20)
    stretch = 300.15 / 300
    assert np.allclose(second.trace(values)["length"], stretch * (np.array([1.5, 7.5])))
    assert np.array_equal(first.observed["length"], [0.01, np.nan, 61.0], equal_nan=True)
    assert first.observed["end"] == 20.01


def test_the_log_density_is_the_one_written_out_by_hand(tmp_path):
    posterior = read_case(written(tmp_path)).posterior()
    offset, other, speed, noise = theta = np.array([0.1, -0.2, 1.01, 0.3])
    prior = (
        stats.norm(0, 0.5).logpdf(offset)
        + stats.uniform(-1, 2).logpdf(other)
        + stats.lognorm(np.log(3) / stats.norm.ppf(0.975)).logpdf(speed)
        + stats.halfnorm(scale=0.02 / stats.halfnorm.ppf(0.95)).logpdf(noise)
    )
    first = offset + speed * np.array([0.0, 60.0])
    second = 300.15 / 300 * (other + speed * np.array([1.0, 4.0]))
    predicted, data = np.r_[first, second], np.array([0.01, 61.0, 1.1, 4.2])
    likelihood = stats.norm(predicted, np.hypot(noise, 0.01 * predicted)).logpdf(data).sum()
    likelihood += stats.t(5, offset + 20 * speed, 0.02).logpdf(20.01)
    assert posterior.logpdf(theta) == pytest.approx(prior + likelihood, rel=1e-12)


CENSORED = GOOD.replace(
    'law = "student_t", sd = "2 cm", df = 5', 'law = "lognormal", relative = "15 %", detection_limit = "20 m"'
)


def test_what_was_not_detected_has_the_probability_of_lying_below_the_limit(tmp_path):
    theta = np.array([0.1, -0.2, 1.01, 0.3])
    zero, plain = (
        read_case(written(tmp_path, text, end="end [mm]\n0\n")).posterior().logpdf(theta)
        for text in (
            CENSORED,
            GOOD.replace('end = { law = "student_t"', 'end = { law = "gaussian"').replace(", df = 5", ""),
        )
    )
    below = stats.lognorm(0.15, scale=0.1 + 20 * 1.01).logcdf(20.0)
    assert zero - plain == pytest.approx(below - stats.norm(0.1 + 20 * 1.01, 0.02).logpdf(0.0), rel=1e-9)


def test_a_zero_that_no_detection_limit_explains_is_refused(tmp_path):
    text = CENSORED.replace(', detection_limit = "20 m"', "")
    with pytest.raises(
        CaseError, match=r"law\.end: a reading of 0 under a lognormal law.*detection_limit = "
    ):
        read_case(written(tmp_path, text, end="end [mm]\n0\n"))


def test_expected_numbers_arrive_in_the_models_units(tmp_path):
    case = read_case(written(tmp_path))
    assert case.expect["speed"].truth == 1.0
    assert case.expect["speed"].within == 0.95
    assert case.expect["doubled_speed"].sd == 0.1


def test_one_value_per_experiment_is_a_vector_of_them(tmp_path):
    text = GOOD.replace('bind = { offset = "offset_of_second" }\n', "").replace(
        'offset_of_second = { dist = "uniform", lower = "-1 m", upper = "1 m" }\n', ""
    )
    text = text.replace(
        'offset = { dist = "normal", mean = 0, sd = "50 cm" }',
        'offset = { dist = "normal", mean = "centre", sd = "spread", shape = "experiments" }\n'
        'centre = { dist = "normal", mean = "10 cm", sd = "1 m" }\n'
        'spread = { dist = "halfnormal", sd = "10 cm" }',
    )
    case = read_case(written(tmp_path, text))
    posterior = case.posterior()
    assert posterior.variables["offset"] == (2,)
    assert case.unknowns["offset"].per == ("first", "second")
    assert case.unknowns["centre"].unit == "m"
    assert case.unknowns["centre"].prior.arguments == {"mean": 0.1, "sd": 1.0}
    values = posterior.split(posterior.pack({
        "offset": [0.25, 0.75], "centre": 0.0, "spread": 1.0, "speed": 1.0, "noise": 0.1
    }))  # fmt: skip
    assert [float(e.trace(values)["offset"]) for e in posterior.experiments] == [0.25, 0.75]
    (tmp_path / "again.toml").write_text(case.resolved_toml())
    assert read_case(tmp_path / "again.toml").hash == case.hash


def test_sensors_that_scatter_differently_are_experiments_with_a_level_each(tmp_path):
    text = GOOD.replace('upper = "20 mm", mass = 0.95', 'upper = "20 mm", mass = 0.95, shape = "experiments"')
    case = read_case(written(tmp_path, text))
    posterior = case.posterior()
    assert case.unknowns["noise"].per == ("first", "second")
    values = {"offset": 0.1, "offset_of_second": -0.2, "speed": 1.0}
    likelihood = [
        posterior.log_likelihood(posterior.pack({**values, "noise": np.array([a, b])}))
        for a, b in ((0.1, 0.1), (0.2, 0.1), (0.1, 0.2), (0.2, 0.2))
    ]
    assert likelihood[1] + likelihood[2] == pytest.approx(likelihood[0] + likelihood[3], rel=1e-12)
    assert len(set(likelihood)) == 4


def test_sensors_of_one_experiment_may_have_a_level_each(tmp_path):
    """Readings at the same time are one channel here, also those of another experiment."""
    text = GOOD.replace('sd = "noise", relative = "1 %"', 'sd = "noise", per = "time"')
    second = "time [s],length [m]\n1,1.1\n60,4.2\n1,1.3\n4,\n"
    case = read_case(written(tmp_path, text, second=second))
    posterior = case.posterior()
    assert case.unknowns["noise"].channels == ((0.0,), (30.0,), (60.0,), (1.0,), (4.0,))
    noise = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    given = {"offset": 0.1, "offset_of_second": -0.2, "speed": 1.0, "noise": noise}
    theta = posterior.pack({name: np.asarray(value) for name, value in given.items()})
    first, other = posterior.experiments
    values = posterior.split(theta)
    by_hand = stats.norm(0.1 + np.array([0, 60.0]), noise[[0, 2]]).logpdf([0.01, 61.0]).sum()
    assert first.terms(values)["length"].total == pytest.approx(by_hand, rel=1e-12)
    line = 300.15 / 300 * (-0.2 + np.array([1.0, 60.0, 1.0]) ** 2)
    by_hand = stats.norm(line, noise[[3, 2, 3]]).logpdf([1.1, 4.2, 1.3]).sum()
    assert other.terms(values)["length"].total == pytest.approx(by_hand, rel=1e-12)
    slope = posterior.log_likelihood_gradient(theta)[1]
    steps = 1e-5 * np.eye(theta.size)
    differences = [
        (posterior.log_likelihood(theta + step) - posterior.log_likelihood(theta - step)) / 2e-5
        for step in steps
    ]
    assert slope == pytest.approx(differences, rel=1e-6, abs=1e-8 * np.abs(slope).max())
    (tmp_path / "again.toml").write_text(case.resolved_toml())
    assert read_case(tmp_path / "again.toml").hash == case.hash


def test_a_level_for_each_channel_may_be_numbers(tmp_path):
    text = GOOD.replace('sd = "noise", relative = "1 %"', 'sd = "noise", per = "time"').replace(
        'noise = { dist = "halfnormal", upper = "20 mm", mass = 0.95 }\n', ""
    )
    text = text.replace(
        "fixed = { weights = [1, 0] }", 'fixed = { weights = [1, 0], noise = [1, "2 cm", 3] }'
    )
    text = text.replace('temperature = "27 degC" }', 'temperature = "27 degC", noise = 0.5 }')
    case = read_case(written(tmp_path, text))
    first, second = case.posterior().experiments
    values = case.posterior().split([0.0, 0.0, 1.0])
    assert first.trace(values)["noise"].tolist() == [1.0, 0.02, 3.0]
    assert second.trace(values)["noise"].tolist() == [0.5, 0.5]
    (tmp_path / "again.toml").write_text(case.resolved_toml())
    assert read_case(tmp_path / "again.toml").hash == case.hash


def test_experiments_may_share_entries_of_a_vector(tmp_path):
    text = GOOD.replace('"offset_of_second"', '"level[2]"').replace("offset_of_second =", "level =")
    text = text.replace('upper = "1 m" }', 'upper = "1 m", shape = 3 }')
    posterior = read_case(written(tmp_path, text)).posterior()
    assert posterior.variables["level"] == (3,)
    values = posterior.split(np.arange(6.0) / 10)
    assert posterior.experiments[1].trace(values)["offset"] == values["level"][2]


def test_a_vector_parameter_is_one_unknown(tmp_path):
    text = GOOD.replace("fixed = { weights = [1, 0] }\n", "").replace(
        "[prior]", '[prior]\nweights = { dist = "normal", mean = 0, sd = 1 }'
    )
    posterior = read_case(written(tmp_path, text)).posterior()
    assert posterior.names[:2] == ("weights[0]", "weights[1]")


def test_a_width_in_degrees_is_a_width_for_its_prior_too(tmp_path):
    text = GOOD.replace('\n[fixed]\ntemperature = "300 K"\n', "").replace(
        "[prior]",
        '[prior]\ntemperature = { dist = "lognormal", lower = "0 degC", upper = "50 degC", mass = 0.9 }',
    )
    prior = read_case(written(tmp_path, text)).unknowns["temperature"].prior
    assert prior.frozen(**prior.arguments).ppf(0.05) == pytest.approx(273.15)


def test_parents_that_depend_on_each_other_are_refused(tmp_path):
    text = GOOD.replace('mean = 0, sd = "50 cm"', 'mean = "a", sd = 1').replace(
        "[expect]",
        'a = { dist = "normal", mean = "b", sd = 1 }\nb = { dist = "normal", mean = "a", sd = 1 }\n[expect]',
    )
    with pytest.raises(CaseError, match="depend on each other in a circle"):
        read_case(written(tmp_path, text))


def test_a_case_without_experiments_is_refused(tmp_path):
    with pytest.raises(CaseError, match=r"line.toml: experiment: the key is missing"):
        read_case(written(tmp_path, 'system = "toys/line"\n'))


def test_all_mistakes_are_told_at_once(tmp_path):
    text = GOOD.replace('"60 m/min"', '"60 m"').replace('"20 mm"', '"20 mK"').replace('0, sd = "50 cm"', "0")
    with pytest.raises(CaseError) as caught:
        read_case(written(tmp_path, text))
    lines = str(caught.value).splitlines()
    assert lines[0] == "line.toml: 3 mistakes"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "prior.offset",
        "prior.speed",
        "prior.noise",
    ]


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "case").mkdir()
    (tmp_path / "secret.csv").write_text(FILES["second.csv"])
    path = written(tmp_path / "case")
    (path.parent / "second.csv").unlink()
    (path.parent / "second.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(CaseError, match="allowed: a path below the case's folder"):
        read_case(path)


def test_every_mistake_is_a_value_error():
    assert issubclass(CaseError, InputError)
    assert issubclass(InputError, ValueError)


def test_the_good_case_is_toml():
    assert tomllib.loads(GOOD)["seed"] == 7


def test_an_expected_number_of_an_unknown_with_a_mistake_is_no_further_mistake(tmp_path):
    text = GOOD.replace("[fixed]\n", '[fixed]\nspeed = "1 m/s"\n')
    assert text != GOOD
    with pytest.raises(InputError, match=r"prior\.speed") as caught:
        read_case(written(tmp_path, text))
    assert "expect" not in str(caught.value)


def test_a_place_outside_the_specimen_is_told_with_its_file_and_the_unit_it_stands_in(tmp_path):
    for name in ("20", "20_cooling"):
        shipped = data_root() / "heat_conduction" / f"filler_{name}.csv"
        (tmp_path / f"{name}.csv").write_text(shipped.read_text().replace("\n6,4,", "\n600,4,"))
    text = find_case("heat_conduction").read_text()
    path = tmp_path / "plate.toml"
    path.write_text(re.sub(r"heat_conduction/filler_(20(_cooling)?\.csv)", r"\1", text))
    with pytest.raises(
        CaseError, match=r"20 % filler: 1 point.* outside .*; 20\.csv has x from 6 to 600 mm, y from 4 to"
    ):
        read_case(path)


@pytest.mark.parametrize(("given", "hint"), [(40, 'write "40 %"'), (-1, None), (400, None)])
def test_a_percentage_without_its_sign_is_recognised(given, hint):
    with pytest.raises(InputError, match=r"allowed: \(0, 1\)") as error:
        fixed(Parameter("filler_fraction", "1", 0.5, lower=0, upper=1), given)
    assert hint in str(error.value) if hint else "hint" not in str(error.value)


def test_an_unknown_without_a_prior_is_told_although_a_parent_has_nearly_its_name(tmp_path):
    text = GOOD.replace("speed = {", "speeds = {").replace('median = "60 m/min"', 'median = "1 m"')
    text = text.replace('mean = 0, sd = "50 cm"', 'mean = "speeds", sd = "50 cm"')
    with pytest.raises(CaseError, match=r"prior\.speed: 'speed' has no prior"):
        read_case(written(tmp_path, text))
