"""A film with two unknowns: quadrature is the truth, a mesh of three elements the coarse level."""

import numpy as np
from mscale_uq.models.transport.biofilm_layers import forward

from mscale_uq.core.law import ObservationOperator
from mscale_uq.infer.chains import sample
from mscale_uq.infer.coordinates import to_physical, to_sampler
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.likelihood import Likelihood
from mscale_uq.infer.plain import PlainDensity
from mscale_uq.infer.settings import Settings
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment, Fixed
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import LogNormal

DEPTH = np.array([10e-6, 20e-6, 30e-6, 50e-6])  # steep there: used up within a tenth of the film
READINGS = np.array([0.15, 0.07, 0.05, 0.01])  # mol/m^3
UNKNOWN = {"cluster_diffusivity": LogNormal(np.log(2e-10), 0.7), "uptake_rate": LogNormal(np.log(1.0), 1.2)}
KNOWN = {
    "matrix_diffusivity": Fixed(1.2e-9),
    "cluster_fraction": Fixed(0.6),
    "surface_concentration": Fixed(0.25),
    "diffusivity_bias": Fixed(1.0),
}


def film(elements):
    model = forward(depth=DEPTH, elements=elements)
    sensor = {"concentration": ObservationOperator("concentration", Gaussian(0.015))}
    seen = {"concentration": READINGS}
    return Posterior(UNKNOWN, [Experiment("film", model, seen, sensor, KNOWN)])


def by_quadrature(posterior):
    """Mean and standard deviation ``(2,)`` in sampler coordinates; the trapezoidal rule converges fast."""
    line = np.linspace(-4.0, 4.0, 33)
    points = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    density = PlainDensity(posterior, Likelihood(posterior, Ledger(), gradient=False))
    logs = np.array([density(z) for z in points])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    mean = weights @ points
    return mean, np.sqrt(weights @ (points - mean) ** 2)


def test_a_mesh_of_three_elements_looks_ahead_and_does_not_bias():
    fine, coarse = film(16), film(3)
    settings = Settings(sampler="mlda", draws=720, tune=200, chains=2, cores=0, seed=6)
    samples = sample(Levels(fine, [coarse], 4), settings)
    draws = np.stack([samples.draws[name] for name in UNKNOWN], axis=-1).reshape(-1, 2)
    z = np.array([to_sampler(fine, theta) for theta in draws])
    mean, spread = by_quadrature(fine)
    wrong, _ = by_quadrature(coarse)
    batches = ((z - mean) / spread).reshape(36, -1, 2).mean(axis=1)
    error = batches.std(axis=0) / np.sqrt(len(batches))
    assert np.all(np.abs(batches.mean(axis=0)) < 4.5 * error)
    assert np.any(np.abs(wrong - mean) / spread > 5 * error), "the coarse level is too good to tell"
    assert np.allclose(to_physical(fine, z[0]), draws[0])
