"""Every shipped case runs; the films find the truth that made their data (the plate does in its notebook)."""

import time

import numpy as np
import pytest

from mscale_uq.case.read import read_case
from mscale_uq.catalog import cases, find_case
from mscale_uq.diagnose.local_information import local_information
from mscale_uq.diagnose.normal_scores import to_normal
from mscale_uq.run.calibrate import fit

pytestmark = pytest.mark.slow
# In this process: spawned workers are tested with cheap models, and starting them costs more than the draws.
# One chain: what several say of each other is asked where draws are cheap, and each climbs to the mode anew.
QUICK = {"draws": 4, "tune": 4, "chains": 1, "cores": 0}
# Its climb takes most of a minute, and is taken where its held-out rate is predicted (test_sinoatrial_cell).
WITHOUT_A_CLIMB = {"physiology/sinoatrial_cell": "demetropolisz"}
# What one evaluation takes, in s of a quiet processor, and what all of a profile may: counted, not timed.
SECONDS = {
    "physiology/sinoatrial_cell": 0.3,  # far from the published cell it takes twice what it takes there
    "transport/reactive_transport": 0.08, "transport/reactive_transport_spheres": 0.14,
    "electrochemistry/lithium_cell": 0.025,
    "electrochemistry/solid_electrolyte": 0.05, "cells/host_circuit": 0.03,
    "physiology/tumor_hallmarks": 0.03, "solids/fe2_composite_softening": 0.05,
}  # fmt: skip
ELSEWHERE, AT_MOST = 0.015, 40.0
FOLLOWED = {"cells/cell_state_fusion_live"}  # its readings come while it is assimilated: nothing to fit yet
# A chain starts at its mode, which the data put near the truth; what expects a published mean is left out.
FOUND = ("transport/reactive_transport", "cells/host_circuit")
TRUTHS = {"cluster_diffusivity": 2e-10, "uptake_rate": 0.01}


@pytest.mark.parametrize("name", sorted(set(cases()) - FOLLOWED))
def test_every_case_gives_finite_draws_and_a_report(name, tmp_path, record_property):
    begin = time.process_time()
    result = fit(name, out=tmp_path, predictions=4, sampler=WITHOUT_A_CLIMB.get(name), **QUICK)
    record_property("case", name)
    record_property("processor_seconds", round(time.process_time() - begin, 1))
    record_property("evaluations", result.diagnostics.evaluations)
    for draws in result.idata["posterior"].data_vars.values():
        assert np.isfinite(draws).all()
    assert 0 < result.diagnostics.evaluations * SECONDS.get(name, ELSEWHERE) < AT_MOST
    assert result.report.read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "posterior.nc").is_file()
    assert len(result.failures) >= result.diagnostics.failures
    if name in FOUND:
        assert np.all(np.abs(off_the_truth(name, result.idata["posterior"])) < 4)


def off_the_truth(name, draws):
    """How far the draws' mean is from what the case expects, in sds that its own data leave there."""
    case = read_case(find_case(name))
    posterior = case.posterior()
    mean = np.concatenate([np.ravel(draws[n].mean(("chain", "draw"))) for n in posterior.variables])
    truth, known = mean.copy(), []
    for label, number in case.expect.items():
        known.append(posterior.names.index(label))
        truth[known[-1]] = number.mean if number.truth is None else number.truth
    at = local_information(posterior, mean)
    return ((to_normal(posterior, truth) - at.scores) / at.kept)[known]


def test_a_case_with_known_truth_covers_it(tmp_path):
    """The data are fixed, so this is no matter of chance: the model that made them must be found again."""
    result = fit("transport/biofilm_layers", out=tmp_path)
    assert result.diagnostics.ok, result.diagnostics.reasons
    for unknown, truth in TRUTHS.items():
        draws = result.idata["posterior"][unknown].to_numpy().ravel()
        low, high = np.quantile(draws, [0.025, 0.975])
        assert low < truth < high, f"{unknown}: {truth} is not in [{low:.4g}, {high:.4g}]"
