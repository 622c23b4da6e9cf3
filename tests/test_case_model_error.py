"""From a case with model error to a finished run: two published examples of what a wrong model does.

The simple machine (`tests/diagnose/test_simple_machine.py` has its source and its quadrature) and a film of
five pairs of layers, whose posterior without correction is certain of the wrong numbers.
"""

import numpy as np
import pytest
from film import FILM, LEARN, film_case
from known_line import CASE as LINE
from known_line import exact_posterior, write_case
from scipy.stats import multivariate_normal

from mscale_uq.case.read import read_case
from mscale_uq.errors import CaseError, RunError
from mscale_uq.report.model_error import model_error
from mscale_uq.report.page import render
from mscale_uq.run.calibrate import fit

pytestmark = pytest.mark.usefixtures("toys")


X, EFFICIENCY = np.linspace(0.2, 4.0, 11), 0.65


READINGS = EFFICIENCY * X / (1 + X / 20)


MACHINE = """
system = "toys/line"
seed = 3

[[experiment]]
name = "machine"
data = "machine.csv"

[fixed]
offset = 0
temperature = 300
weights = [1, 0]

[law]
length = { sd = 0.01 }

[discrepancy.length]
along = "time"
amplitude = 0.2
length = 3
zero_value = [0]
zero_slope = [0]

[prior]
speed = { dist = "normal", mean = 1, sd = 1 }

[method]
sampler = "laplace"
draws = 300
tune = 0
chains = 2
cores = 0
"""


UNKNOWN = MACHINE.replace("amplitude = 0.2", 'amplitude = "missed"').replace(
    "[method]", 'missed = { dist = "lognormal", median = "20 cm", factor = 7 }\n[method]'
)


def machine_case(folder, text=MACHINE):
    rows = "".join(f"{x},{y!r}\n" for x, y in zip(X, READINGS.tolist(), strict=True))
    (folder / "machine.csv").write_text("time [s],length [m]\n" + rows)
    (folder / "machine.toml").write_text(text)
    return folder / "machine.toml"


@pytest.fixture(scope="module")
def machine_run(toys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    return fit(machine_case(folder), out=folder / "run")


def discrepancy_by_hand(amplitude, length):
    """Covariance of a Gaussian process whose value and slope at zero are known to be zero."""
    k = np.exp(-0.5 * ((X[:, None] - X) / length) ** 2)
    at_zero = np.exp(-0.5 * (X / length) ** 2)
    zeros = np.stack([at_zero, X / length * at_zero])  # with the value there, and with length times the slope
    return amplitude**2 * (k - zeros.T @ zeros)


def exactly(cov):
    """Mean and sd of theta under its normal prior, for readings with this covariance around theta x."""
    pull = np.linalg.solve(cov, X)
    precision = 1.0 + X @ pull
    return (1.0 + READINGS @ pull) / precision, precision**-0.5


def test_the_law_of_a_case_is_the_one_written_out_by_hand(tmp_path):
    posterior = read_case(machine_case(tmp_path, UNKNOWN)).posterior()
    assert posterior.names == ("speed", "missed")
    cov = discrepancy_by_hand(0.3, 3.0) + 1e-4 * np.eye(11)
    by_hand = multivariate_normal(0.6 * X, cov).logpdf(READINGS)
    assert posterior.log_likelihood([0.6, 0.3]) == pytest.approx(by_hand, rel=1e-9)


def test_with_a_discrepancy_the_simple_machine_is_found_and_without_it_is_missed(machine_run):
    speed, without = machine_run.summary.loc["speed"], machine_run.without.loc["speed"]
    assert speed["2.5 %"] < EFFICIENCY < speed["97.5 %"]
    assert without["97.5 %"] < EFFICIENCY
    # Both posteriors are normal; five standard errors of 600 and 500 independent draws.
    for row, cov in ((speed, discrepancy_by_hand(0.2, 3.0)), (without, 0.0)):
        mean, sd = exactly(cov + 1e-4 * np.eye(11))
        assert row["mean"] == pytest.approx(mean, abs=5 * sd / np.sqrt(500))
        assert row["sd"] == pytest.approx(sd, rel=5 / np.sqrt(1000))
    assert list(machine_run.without.index) == ["speed"]


def test_the_report_shows_both(machine_run):
    said = model_error(machine_run)
    (row,) = said["rows"]
    assert row["name"] == "speed"
    assert float(row["widening"]) > 5
    assert "250 draws" in said["short"]
    page = render(machine_run)
    assert "What the model misses" in page
    assert row["with"] in page
    assert row["without"] in page


@pytest.mark.slow
def test_a_run_with_model_error_is_repeated_from_its_folder_alone(machine_run, tmp_path):
    case = read_case(machine_run.folder / "case.toml")
    assert case.hash == machine_run.facts["hash"]
    again = fit(case, out=tmp_path / "again", draws=20)
    first = machine_run.idata["posterior"]["speed"].sel(draw=slice(0, 19))
    assert np.array_equal(again.idata["posterior"]["speed"], first)


@pytest.mark.parametrize("change", [("length = 3", "length = 4"), ("zero_slope = [0]\n", "")])
def test_another_discrepancy_is_another_run(machine_run, tmp_path, change):
    with pytest.raises(RunError, match="model error changed"):
        fit(machine_case(tmp_path, MACHINE.replace(*change)), out=machine_run.folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_wrong_coarse_level_of_a_case_leaves_the_exact_posterior(tmp_path):
    """A ruler that is right at 303 K instead of 300 K shifts the coarse readings by one per cent."""
    mlda = 'sampler = "mlda"\nlevels = [{ reference = "303 K" }]\nsubchain = 3'
    text = LINE.replace('sampler = "laplace"', mlda).replace("draws = 300", "draws = 1500")
    result = fit(write_case(tmp_path, text.replace("tune = 0", "tune = 400")), out=tmp_path / "run")
    mean, covariance = exact_posterior()
    table, sd = result.summary.loc[["offset", "speed"]], np.sqrt(np.diag(covariance))
    assert np.all(table["ESS"] > 150)
    assert np.all(np.abs(table["mean"] - mean) < 4.5 * sd / np.sqrt(table["ESS"]))
    assert "coarse_acceptance_rate" in result.idata["sample_stats"]
    again = read_case(tmp_path / "run" / "case.toml")
    assert again.method.levels == [{"reference": "303 K"}]
    assert again.hash == result.facts["hash"]


MISTAKES = {
    "along what it is not measured along": ('along = "time"', 'along = "tim"', "did you mean 'time'"),
    "an amplitude in another unit": ('"missed"', '"2 s"', "discrepancy.length: amplitude: '2 s'"),
    "two lengths": ("length = 3", "length = [3, 4]", "2 length.s.; allowed: one length for each coordinate"),
    "a point with two numbers": ("zero_value = [0]", "zero_value = [[0, 1]]", "zero_value: .*one number"),
    "a zero twice": ("zero_value = [0]", "zero_value = [0, 0]", "given twice"),
    "an unknown key": ("zero_slope", "zero_slop", "did you mean 'zero_slope'"),
    "another law": ("{ sd = 0.01 }", '{ law = "student_t", sd = 0.01 }', "StudentT law; allowed: a gaussian"),
    "no prior": ("missed = {", "mised = {", "prior.mised: nothing depends on 'mised' .did you mean 'missed'"),
    "an output that is not there": ("discrepancy.length", "discrepancy.lenght", "did you mean 'length'"),
    "an output without coordinates": ("discrepancy.length", "discrepancy.end", "without coordinates"),
    "levels of another sampler": ("draws = 300", "draws = 300\nlevels = { steps = 2 }", "sampler = 'mlda'"),
    "no levels": ('"laplace"', '"mlda"', "method.levels: sampler 'mlda' with one level"),
    "a wrong level": (
        '"laplace"',
        '"mlda"\nlevels = [{ stps = 1 }]',
        "method.levels.stps: .*did you mean 'steps'",
    ),
    "nothing to be resolved": (
        "[prior]",
        '[approximation_error]\nagainst = "resolved"\n[prior]',
        "approximation_error: .*no resolved model",
    ),
    "a finer model that is none": (
        "[prior]",
        '[approximation_error]\nagainst = "finer"\n[prior]',
        "approximation_error.options: no option is changed; allowed: duration",
    ),
    "an option in another unit": (
        "[prior]",
        '[approximation_error]\nagainst = "finer"\noptions = { duration = "2 m" }\n[prior]',
        "approximation_error.options.duration: .*length",
    ),
    "one round over the posterior": (
        "[prior]",
        '[approximation_error]\nagainst = "finer"\noptions = { steps = 8 }\nrounds = 1\n[prior]',
        "approximation_error.rounds: 1 over the posterior",
    ),
    "a scale without a resolved model": ("[prior]", "[scale_check]\n[prior]", "no resolved model"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_about_model_error_is_told_with_its_key(tmp_path, what):
    old, new, said = MISTAKES[what]
    assert old in UNKNOWN
    with pytest.raises(CaseError, match=f"machine.toml: (?s:.*){said}"):
        read_case(machine_case(tmp_path, UNKNOWN.replace(old, new)))


def test_a_setting_of_the_resolved_solver_is_checked(tmp_path):
    for wrong, said in (("period = 5", "did you mean 'periods'"), ("periods = 5.5", "a whole number")):
        text = FILM + LEARN.replace("periods = 5,", f"{wrong},", 1)
        with pytest.raises(CaseError, match=said):
            read_case(film_case(tmp_path, text))


def test_a_sampler_without_levels_is_told_from_the_command_line_too(tmp_path):
    with pytest.raises(CaseError, match="'mlda' with one level only"):
        fit(write_case(tmp_path), out=tmp_path / "run", sampler="mlda")
    assert not (tmp_path / "run").exists()
