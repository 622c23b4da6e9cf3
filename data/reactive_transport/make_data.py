"""Make three breakthrough curves from the exact solution in Laplace space, inverted by Talbot's method.

No mesh and no time step are used. Run from the root of the repository.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SEED = 20261126
LENGTH, VELOCITY, DISPERSIVITY, PARTITION, RATE = 0.3, 3e-5, 3e-3, 1.0, 1.5e-4
PHASE_RATIO, PORE_DIFFUSIVITY, RADIUS, PORE_RATE = 1.0, 1e-10, 1e-3, 5e-5
MINUTES, NOISE = np.arange(1, 61) * 12.0, 0.02


def talbot(transform, times, points=40):
    """Values at the times of the function with this Laplace transform (Abate and Whitt's fixed contour)."""
    angle = np.arange(1, points) * np.pi / points
    turn = 1 / np.tan(angle)
    nodes = np.concatenate([[2 * points / 5], 2 * np.arange(1, points) * np.pi / 5 * (turn + 1j)])
    weights = 1 + 1j * angle * (1 + turn**2) - 1j * turn
    weights = np.concatenate([[0.5 * np.exp(nodes[0].real)], weights * np.exp(nodes[1:])])
    return np.array([0.4 / t * np.sum((weights * transform(nodes / t)).real) for t in times])


def binding(p):
    """What grains take up, per concentration, in Laplace space."""
    return p * PARTITION * RATE / (p + RATE)


def spheres(p):
    """What enters spheres that store and consume, from their surface."""
    q = RADIUS * np.sqrt((p + PORE_RATE) / PORE_DIFFUSIVITY)
    return PHASE_RATIO * (p + PORE_RATE) * 3 * (q / np.tanh(q) - 1) / q**2


def nothing(p):
    """A tracer stays in the flowing water."""
    return 0 * p


def curve(seconds, uptake):
    """Concentration at the end of a half-infinite column, relative to a step at its inlet."""
    D = DISPERSIVITY * VELOCITY

    def transform(p):
        return np.exp(LENGTH / (2 * D) * (VELOCITY - np.sqrt(VELOCITY**2 + 4 * D * (p + uptake(p))))) / p

    return talbot(transform, seconds)


def main():
    """Write all tables."""
    rng = np.random.default_rng(SEED)
    for name, uptake in (("tracer", nothing), ("reactive", binding), ("spheres", spheres)):
        seen = curve(60 * MINUTES, uptake) + NOISE * rng.standard_normal(MINUTES.size)
        rows = [f"{t:g},{c:.4f}" for t, c in zip(MINUTES, seen, strict=True)]
        (HERE / f"{name}.csv").write_text("\n".join(["time [min],breakthrough", *rows]) + "\n")


if __name__ == "__main__":
    main()
