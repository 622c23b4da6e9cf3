import numpy as np
import pytest
from known_posteriors import straight

from mscale_uq.diagnose.replicate import given, replicate
from mscale_uq.errors import CaseError
from mscale_uq.infer.chains import sample
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.repeat import Repeated
from mscale_uq.infer.settings import Settings


def itself(posterior):
    return posterior


def two_levels(posterior):
    return Levels(posterior, [straight()], 3)


@pytest.mark.parametrize(
    ("sampler", "wrap"),
    [
        ("nuts", itself),
        ("demetropolisz", itself),
        ("slice", itself),
        ("pcn", itself),
        ("mlda", two_levels),
    ],
)
def test_a_sampler_compiled_for_other_data_draws_what_the_chain_driver_draws(sampler, wrap):
    settings = Settings(sampler=sampler, draws=40, tune=30, chains=2, cores=0, seed=5)
    other = wrap(given(straight(), replicate(straight(), np.random.default_rng(1)).data))
    repeated = Repeated(wrap(straight()), settings)
    repeated.run(wrap(straight()), 0)
    run = repeated.run(other, 1)
    expected = sample(other, settings)
    assert np.array_equal(
        run.theta, np.column_stack([expected.draws["level"][1], expected.draws["slope"][1]])
    )
    assert run.evaluations == expected.evaluations[1]
    for name, values in expected.stats.items():
        assert np.array_equal(run.stats[name], values[1], equal_nan=True)


def test_a_sampler_that_compiles_anew_is_refused():
    with pytest.raises(CaseError, match=r"'smc'.*nuts, demetropolisz, slice, pcn, mlda"):
        Repeated(straight(), Settings(sampler="smc"))
