"""Every shipped case runs; the films find the truth that made their data (the plate does in its notebook)."""

import numpy as np
import pytest

from mscale_uq.catalog import cases
from mscale_uq.run.calibrate import fit

pytestmark = pytest.mark.slow
# In this process: spawned workers are tested with cheap models, and starting them costs more than ten draws.
QUICK = {"draws": 5, "tune": 5, "chains": 2, "cores": 0}
# A chain starts with a climb to the mode, which takes minutes where a gradient takes a second: one will do.
SLOW_CLIMBS = (
    "physiology/",
    "reference/graded",
    "cells/proteome",
    "cells/host",
    "cells/cell_state",
    "electrochemistry/",
)
DEAR = {name: {**QUICK, "chains": 1} for name in cases() if name.startswith(SLOW_CLIMBS)}
FOLLOWED = {"cells/cell_state_fusion_live"}  # its readings come while it is assimilated: nothing to fit yet
TRUTHS = {"cluster_diffusivity": 2e-10, "uptake_rate": 0.01}


@pytest.mark.parametrize("name", sorted(set(cases()) - FOLLOWED))
def test_every_case_gives_finite_draws_and_a_report(name, tmp_path):
    result = fit(name, out=tmp_path, predictions=5 if name in DEAR else 20, **DEAR.get(name, QUICK))
    for draws in result.idata["posterior"].data_vars.values():
        assert np.isfinite(draws).all()
    assert result.diagnostics.evaluations > 0
    assert result.report.read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "posterior.nc").is_file()


def test_a_case_with_known_truth_covers_it(tmp_path):
    """The data are fixed, so this is no matter of chance: the model that made them must be found again."""
    result = fit("transport/biofilm_layers", out=tmp_path)
    assert result.diagnostics.ok, result.diagnostics.reasons
    for unknown, truth in TRUTHS.items():
        draws = result.idata["posterior"][unknown].to_numpy().ravel()
        low, high = np.quantile(draws, [0.025, 0.975])
        assert low < truth < high, f"{unknown}: {truth} is not in [{low:.4g}, {high:.4g}]"
