"""A run tells, draw by draw, how far the interpolated tensors are from cells that are solved."""

import arviz as az
import numpy as np
import pytest
from scipy.interpolate import BarycentricInterpolator
from typer.testing import CliRunner

from mscale_uq.catalog import find_case
from mscale_uq.cell.conduction import PeriodicConduction
from mscale_uq.cell.ellipse import SmoothEllipse
from mscale_uq.cli.commands import app

# So few that their error stands out from what sampling accuracy leaves.
CELL, NODES = 16, 6
OPTIONS = f"cell_elements = {CELL}, elements = {CELL}, nodes = {NODES}"
MIDDLE, HALF = 0.23, 0.15  # of the interval of the share
CHECKED = 0.08 + 0.30 * np.array([0.0345, 0.7071])


def tensor(k_i, k_m, share, angle, aspect):
    """The cell of one state, to round-off."""
    shape = (CELL, CELL)
    state = {"k_i": k_i, "k_m": k_m, "v": share, "alpha": angle, "rho": aspect}
    medium = SmoothEllipse(shape).value(state)
    return PeriodicConduction(shape, tensor="K").value(medium)["K"]


def error_of(k_i, k_m, angle, aspect):
    """Largest relative deviation of SciPy's polynomial through the nodes, at the states of the check."""
    nodes = MIDDLE + HALF * np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
    solved = np.array([tensor(k_i, k_m, share, angle, aspect) for share in nodes])
    through = BarycentricInterpolator(nodes, solved)
    exact = [tensor(k_i, k_m, share, angle, aspect) for share in CHECKED]
    return max(
        np.abs(through(share) - K).max() / np.abs(K).max() for share, K in zip(CHECKED, exact, strict=True)
    )


@pytest.mark.slow
def test_the_error_of_graded_cells_is_in_the_files_of_a_run(tmp_path):
    text = find_case("graded_inclusions").read_text()
    shipped = "cell_elements = 32, elements = 32"
    assert shipped in text
    (tmp_path / "graded.toml").write_text(text.replace(shipped, OPTIONS))
    length = ["--sampler", "pcn", "--draws", "3", "--tune", "2", "--chains", "1", "--cores", "0"]
    done = CliRunner().invoke(app, ["fit", f"{tmp_path}/graded.toml", "--out", f"{tmp_path}/run", *length])
    assert "K_eff_error" in done.output
    data = az.from_netcdf(tmp_path / "run" / "posterior.nc")
    told, draws = data["derived"]["K_eff_error"], data["posterior"]
    assert told.dims == ("chain", "draw")
    for number, error in enumerate(told.to_numpy()[0]):
        names = ("inclusion_conductivity", "matrix_conductivity", "angle", "aspect_logit")
        k_i, k_m, angle, logit = (float(draws[name][0, number]) for name in names)
        assert error == pytest.approx(error_of(k_i, k_m, angle, 1 + 1 / (1 + np.exp(-logit))), rel=0.01)
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "of the interpolated tensors, relative, at two other states" in report
