"""What displacements of a composite panel tell about its phases."""

import numpy as np
import pytest
from fisher import spread
from mscale_uq.models.solids.fe2_composite import forward

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case

UNKNOWN = ("matrix_modulus", "inclusion_modulus")


def log_slopes(model, names, **values):
    """Slopes of the displacements to the logarithms of some parameters, in units of their largest."""
    theta = model.theta(**values)
    columns = dict(zip(model.names, (model.jacobian(theta) * theta).T, strict=True))
    return np.stack([columns[name] for name in names], axis=1) / np.abs(model.value(theta)).max()


def test_stiff_inclusions_hide_how_stiff_they_are():
    inclusion = forward(cell="inclusion", elements=4)
    soft, stiff = (
        spread(log_slopes(inclusion, UNKNOWN, inclusion_modulus=E), 0.01)[0] for E in (10e9, 300e9)
    )
    assert stiff[1] > 10 * stiff[0]
    assert stiff[1] > 5 * soft[1]


def test_layers_along_the_span_show_how_stiff_they_are():
    layers, inclusion = (
        spread(log_slopes(forward(cell=cell, elements=4), UNKNOWN), 0.01)[0]
        for cell in ("laminate", "inclusion")
    )
    assert layers[1] < inclusion[1] / 3


def test_share_and_modulus_of_the_inclusions_trade_off():
    slopes = log_slopes(forward(cell="inclusion", elements=4), ("inclusion_modulus", "inclusion_fraction"))
    assert spread(slopes, 0.01)[1][0, 1] < -0.9


def test_a_softening_panel_bends_more_than_in_proportion():
    model = forward(law="softening", elements=4)
    small, large = (model.value(model.theta(shear_force=force))[-1] for force in (1e4, 3e5))
    assert large > 33 * small


SOFTENING = {"matrix_modulus": 3e9, "reference_strain": 0.008, "hardening_exponent": 0.35}
LINEAR = {"matrix_modulus": 3e9, "inclusion_modulus": 70e9, "image_noise": 6.25e-6}


@pytest.mark.parametrize(
    ("case", "truth", "noises"),
    [("fe2_composite", LINEAR, [6.25e-6]), ("fe2_composite_softening", SOFTENING, [3.31e-6, 1.488e-5])],
)
def test_the_mesh_of_a_case_adds_nothing_to_the_noise_of_data_from_a_fine_one(case, truth, noises):
    """Triangles of second order, as many unknowns as here, missed by more than one sd of the noise."""
    posterior = read_case(find_case(case)).posterior()
    for part, noise in zip(posterior.experiments, noises, strict=True):
        known = part.trace({name: np.asarray(value) for name, value in truth.items()})
        made, seen = (np.concatenate([v[f"displacement_{a}"] for a in "xy"]) for v in (known, part.observed))
        left = (seen - made) / noise
        assert left.size == 600
        assert abs(np.mean(left**2) - 1) < 4 * np.sqrt(2 / left.size)
        assert abs(left @ made) < 4 * np.linalg.norm(made)  # stiffer or softer as a whole
