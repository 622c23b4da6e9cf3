"""`mscale fit` of heat_conduction, copied and spoilt: one line, status 3, and nothing is made."""

import pytest
from typer.testing import CliRunner

from mscale_uq.catalog import find_case
from mscale_uq.cli.commands import app

GOOD = find_case("heat_conduction").read_text()
SPOILT = {
    "a wrong unit": (
        '"0.1 W/(m K)"',
        '"0.1 W/m"',
        "prior.matrix_conductivity: lower: '0.1 W/m' has the dimension of ",
    ),
    "prior mass outside the limits": (
        '{ dist = "halfnormal", sd = "0.5 K" }',
        '{ dist = "normal", mean = "0.5 K", sd = "0.5 K" }',
        "prior.thermocouple_noise: prior of 'thermocouple_noise': normal gives mass 0.159 to impossible "
        "values; allowed: (0, inf); hint: use lognormal, gamma or loguniform",
    ),
    "a misspelt key": (
        "[prior]",
        "[priors]",
        "priors: unknown key (did you mean 'prior'?); allowed: system, question, name, seed, experiment",
    ),
    "a misspelt parameter": (
        'heat_transfer = { dist = "lognormal"',
        'heat_transfr = { dist = "lognormal"',
        "nothing depends on 'heat_transfr' (did you mean 'heat_transfer'?)",
    ),
    "a fixed number outside the limits": (
        "filler_fraction = 0.6",
        "filler_fraction = 0.8",
        "experiment.60 % filler.fixed.filler_fraction: filler_fraction = 0.8 is impossible; "
        "allowed: (0, 0.785398) 1",
    ),
    "a temperature below the coldest": (
        'cold_temperature = "290 K"',
        'cold_temperature = "-290 degC"',
        "fixed.cold_temperature: cold_temperature = -290 degC is impossible; allowed: (0, inf) K",
    ),
    "a misspelt file": (
        "filler_20.csv",
        "filler_2O.csv",
        "experiment.20 % filler.data: no file 'heat_conduction/filler_2O.csv' "
        "(did you mean 'heat_conduction/filler_20.csv'?)",
    ),
    "a misspelt option": (
        'fixed = { filler_fraction = 0.2, heater_power = "40 W/m" }',
        'fixed = { filler_fraction = 0.2, heater_power = "40 W/m" }\noptions = { elemnts = 24 }',
        "experiment.20 % filler.options.elemnts: transport/heat_conduction: option 'elemnts' is unknown "
        "(did you mean 'elements'?); allowed: mode, side, cell_elements, elements, max_step",
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_case_is_refused_in_one_line_and_nothing_is_made(tmp_path, what, monkeypatch):
    old, new, said = SPOILT[what]
    assert GOOD.count(old) >= 1
    (tmp_path / "mine.toml").write_text(GOOD.replace(old, new, 1))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["fit", "mine.toml"])
    assert done.exit_code == 3
    assert said in done.output
    assert done.output.startswith("mscale: mine.toml: ")
    lines = done.output.splitlines()
    assert len(lines) == 1 or lines[0] == f"mscale: mine.toml: {len(lines) - 1} mistakes"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
