"""A case sampled by way of a surrogate."""

import numpy as np
import pytest

from mscale_uq import fit
from mscale_uq.cli.fit import verdict_lines
from mscale_uq.errors import CaseError

# Mean and standard deviation of the standardised unknowns of `inclusions`, on which NUTS in two kinds of
# coordinates, another implementation of it and a corrected surrogate agreed, 4000 draws each.
MEANS = {"inclusion_conductivity": 0.64, "matrix_conductivity": -0.27, "fraction_logit": 0.35}
MEANS |= {"angle": 0.17, "aspect_logit": 0.73}
SPREADS = {"inclusion_conductivity": 0.74, "matrix_conductivity": 0.54, "fraction_logit": 0.77}
SPREADS |= {"angle": 0.39, "aspect_logit": 0.78}


def standardised(draws):
    return {
        "inclusion_conductivity": (np.log(draws["inclusion_conductivity"]) - np.log(10)) / 0.5,
        "matrix_conductivity": np.log(draws["matrix_conductivity"]) / 0.3,
        "fraction_logit": draws["fraction_logit"],
        "angle": (draws["angle"] - np.pi / 6) / 0.3,
        "aspect_logit": draws["aspect_logit"],
    }


def test_a_system_without_stretches_says_so_in_one_line():
    with pytest.raises(
        CaseError, match=r"heat_conduction declares no stretch.*leave the sampler out"
    ) as told:
        fit("heat_conduction", sampler="surrogate")
    assert "\n" not in str(told.value)


@pytest.mark.slow
def test_the_posterior_of_the_benchmark_is_met_by_one_exact_likelihood_a_draw(tmp_path, monkeypatch):
    monkeypatch.setenv("MSCALE_UQ_CACHE", str(tmp_path / "cache"))
    settings = {"sampler": "surrogate", "draws": 300, "tune": 150, "chains": 1, "cores": 0, "predictions": 10}
    result = fit("inclusions", out=tmp_path / "run", **settings)
    about = result.facts["surrogate"]
    assert not about["fell_back"]
    assert about["shape"] < 0.7
    assert about["exact"] == result.diagnostics.evaluations == 300
    z = standardised({name: result.idata["posterior"][name].to_numpy() for name in MEANS})
    for name, array in z.items():  # 300 nearly independent draws
        assert abs(array.mean() - MEANS[name]) < 4 * SPREADS[name] / np.sqrt(200)
        assert array.std() == pytest.approx(SPREADS[name], rel=0.25)
    lines = verdict_lines(result)
    assert any("surrogate of K_eff" in line and "error over the prior" in line for line in lines)
    assert any("k-hat" in line and "draws of the exact posterior" in line for line in lines)
    assert "k-hat" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "cache" / "surrogates").iterdir())) == 2
