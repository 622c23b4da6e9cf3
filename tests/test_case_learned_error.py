"""What a homogenised film misses is learned from the resolved one, as a case asks for it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from film import FILM, LEARN, TRUTH, film_case

from mscale_uq.case.read import read_case
from mscale_uq.report.model_error import model_error
from mscale_uq.report.page import render
from mscale_uq.run.calibrate import fit

pytestmark = pytest.mark.usefixtures("toys")


def off(table):
    """Distances of the means from the truth, in sds."""
    return np.array([abs(table.loc[n, "mean"] - truth) / table.loc[n, "sd"] for n, truth in TRUTH.items()])


@pytest.fixture(scope="module")
def film_run(toys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("film")
    return fit(film_case(folder, FILM + LEARN), out=folder / "run")


@pytest.mark.slow
def test_a_film_of_five_layers_biases_the_bare_model_and_not_the_corrected_one(film_run):
    assert off(film_run.without).max() > 5
    for name, truth in TRUTH.items():
        row = film_run.summary.loc[name]
        assert row["2.5 %"] < truth < row["97.5 %"]


@pytest.mark.slow
def test_what_was_learned_is_told_and_kept(film_run):
    said = model_error(film_run)["assumed"]
    assert any("concentration: the resolved model differs from the one that is used" in line for line in said)
    kept = json.loads((film_run.folder / "approximation_error.json").read_text())
    assert len(kept["rounds"]) == 2
    assert not film_run.diagnostics.warnings
    assert any("approximation error in the likelihood" in line for line in model_error(film_run)["scale"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_interrupted_run_learns_the_same_again(film_run, tmp_path):
    case = replace(read_case(film_run.folder / "case.toml"), name="film")
    folder = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        fit(case, out=folder, on_progress=Interrupt(250))
    again = fit(case, out=folder)
    for name in TRUTH:
        assert np.array_equal(again.idata["posterior"][name], film_run.idata["posterior"][name])
    kept = [(run.folder / "approximation_error.json").read_bytes() for run in (again, film_run)]
    assert kept[0] == kept[1]


class Interrupt:
    def __init__(self, calls):
        self.left = calls

    def __call__(self, chain, draw, tuning, stats):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_the_scale_check_warns_where_nothing_was_learned(tmp_path):
    text = FILM + "\n[scale_check]\noptions = { periods = 5 }\ndraws = 3\n"
    result = fit(film_case(tmp_path, text), out=tmp_path / "run", draws=50)
    (warning,) = result.diagnostics.warnings
    assert warning.startswith("WARNING")
    assert warning in render(result)
    assert result.without is None


@pytest.mark.slow
def test_the_scale_check_is_content_with_fine_layers(tmp_path):
    result = fit(film_case(tmp_path, FILM), out=tmp_path / "run", draws=50)
    assert not result.diagnostics.warnings
    assert any("resolved and homogenised differ by up to" in line for line in model_error(result)["scale"])


@pytest.mark.slow
def test_a_finer_mesh_may_be_the_better_model(tmp_path):
    learn = '\n[approximation_error]\nagainst = "finer"\noptions = { elements = 64 }\nover = "prior"\n'
    text = FILM.replace("elements = 16", "elements = 2") + learn
    result = fit(film_case(tmp_path, text), out=tmp_path / "run", draws=50)
    (place, _) = result.facts["approximation"]["places"]
    assert place["quantity"] == "concentration"
    assert place["mean"] > 0
    assert place["draws"] == 50
