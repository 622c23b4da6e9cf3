"""What displacements of a composite panel tell about its phases."""

import numpy as np
from fisher import spread
from mscale_uq.models.solids.fe2_composite import forward

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
