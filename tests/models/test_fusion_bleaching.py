"""Light that fades while a movie is taken: fit and filter expect the exact reading, and weigh it alike."""

import numpy as np
import pytest
from mscale_uq.models.cells.cell_state_fusion import LIGHT, RATES, SYSTEM

from mscale_uq.core.known import known
from mscale_uq.core.observation import Observation
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.likelihood import FilterLikelihood
from mscale_uq.filters.loop import start
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.followed import Followed

TIMES, CELLS = 20.0 * np.arange(1, 7), 2
WHEN, WHO = (tuple(axis.ravel()) for axis in np.meshgrid(range(TIMES.size), range(CELLS), indexing="ij"))
ROWS = {"time": TIMES[list(WHEN)], "cell": np.array(WHO) + 1.0}
FADES = {p.name: float(p.default) for p in (*RATES, *LIGHT)} | {"bleaching": 1e-3}  # 11 % in two hours


def protein(transcription_rate, mrna_decay, translation_rate, protein_decay):
    """Mean of a cell that begins with nothing: the integral of its mRNA, by hand."""
    old, gone = np.exp(-protein_decay * TIMES), np.exp(-mrna_decay * TIMES)
    made = (1 - old) / protein_decay - (old - gone) / (mrna_decay - protein_decay)
    return translation_rate * transcription_rate / mrna_decay * made


def exact():
    proteins = protein(*(FADES[p.name] for p in RATES))
    return FADES["background"] + FADES["gain"] * np.exp(-FADES["bleaching"] * TIMES) * proteins


def test_the_reading_that_a_fit_expects_is_gain_times_what_is_left_of_the_light_of_each_protein():
    fitted = known(SYSTEM.forward, **ROWS, **FADES)["intensity"].reshape(TIMES.size, CELLS)
    assert fitted == pytest.approx(np.tile(exact()[:, None], CELLS), rel=1e-11)


def test_so_is_the_one_that_a_filter_expects_along_the_path():
    now = start(ExtendedKalman(), SYSTEM.space(), FADES)
    for time, reading in zip(TIMES, exact(), strict=True):
        now = now.predict_to(time)
        seen = now.space.observe("microscope", now.state.mean, now.values)["intensity"]
        assert seen == pytest.approx(np.full(CELLS, reading), rel=1e-11)


@pytest.mark.parametrize("changed", [{}, {"bleaching": 3e-3}, {"bleaching": 1e-4, "gain": 1.3}])
def test_fit_and_filter_give_a_movie_the_same_density_at_any_bleaching(changed):
    """With steady noise both are exact, so that under one prior they have one posterior."""
    values = FADES | changed
    movie = exact()[:, None] * (1 + 0.1 * np.random.default_rng(2).standard_normal((TIMES.size, CELLS)))
    made = known(SYSTEM.forward, **ROWS, **values)
    law = Followed(Fluorescence(20.0), "intensity", WHO, WHEN)
    fitted = law.logpdf(movie.ravel(), made["intensity"], np.zeros(movie.size), made).total
    stream = [Observation(t, "microscope", "intensity", row) for t, row in zip(TIMES, movie, strict=True)]
    filtered = FilterLikelihood(ExtendedKalman(), SYSTEM.space(), stream)
    assert filtered.logpdf([values[name] for name in filtered.names]) == pytest.approx(fitted, rel=1e-10)
