"""Make the voltage of an LG M50 cell: a discharge at 1C, and 20 minutes of it with the rest that follows.

Particles by the exact series of a sphere under a constant flux, no mesh and no step; the salt by the method
of lines on 380 points, with LSODA; overpotentials averaged over the electrodes with the salt that is
there, not with its mean. Run from the root of the repository.
"""

from pathlib import Path

import numpy as np
from mscale_uq.models.electrochemistry._lithium_sets import (
    CELLS,
    FARADAY,
    THERMAL_VOLTAGE,
    negative_chen,
    positive_chen,
)
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

SEED, CURRENT, NOISE, CONTACT, BRUGGEMAN = 20261127, 5.0, 3e-3, 5e-3, 1.5
CELL = CELLS["Chen2020"]
ROOTS = np.array(
    [brentq(lambda x: np.sin(x) - x * np.cos(x), k * np.pi, (k + 0.5) * np.pi) for k in range(1, 2000)]
)


def surface(seconds, electrode, sign):
    """Stoichiometry at the surface of a particle since a current was switched on, less the first one."""
    Q = electrode.active * electrode.thickness * CELL.area * electrode.concentration * FARADAY
    rate, on = electrode.diffusivity / electrode.radius**2, np.maximum(seconds, 0.0)
    decay = (np.exp(-np.outer(rate * on, ROOTS**2)) / ROOTS**2).sum(axis=1)
    change = 3 * rate * on + 0.2 - 2 * decay - (0.2 - 2 * (1 / ROOTS**2).sum())
    return np.where(seconds > 0, sign * CURRENT / (3 * Q * rate) * change, 0.0)


def salt(seconds, drawn):
    """Concentration over the mean one ``(times, cells)``, and where each layer of cells ends."""
    layers = (CELL.negative, CELL, CELL.positive)
    counts, signs = (200, 60, 120), (1.0, 0.0, -1.0)
    width = np.repeat([layer.thickness / n for layer, n in zip(layers, counts, strict=True)], counts)
    eps = np.repeat([layer.porosity for layer in layers], counts)
    each = [s / layer.thickness for s, layer in zip(signs, layers, strict=True)]
    freed = np.repeat(each, counts) * (1 - CELL.transference) / (FARADAY * CELL.area * CELL.salt)

    def change(t, c):
        D = (8.794 * c**2 - 39.72 * c + 48.62) * 1e-11 * eps**BRUGGEMAN
        flow = np.diff(c) / (width[1:] / D[1:] + width[:-1] / D[:-1]) * 2
        return (np.diff(flow, prepend=0.0, append=0.0) / width + drawn(t) * freed) / eps

    run = solve_ivp(change, (0, seconds[-1]), np.ones(width.size), "LSODA", seconds, rtol=1e-8, atol=1e-10,
                    lband=1, uband=1, max_step=60.0)  # fmt: skip
    return run.y.T, np.cumsum(counts)


def overpotential(electrode, x, salt_there):
    """Mean of 2 RT/F asinh(j/2j0) over an electrode."""
    j = CURRENT * electrode.radius / (3 * electrode.active * electrode.thickness * CELL.area)
    j0 = electrode.rate * electrode.concentration * np.sqrt(CELL.salt * salt_there * (x * (1 - x))[:, None])
    return 2 * THERMAL_VOLTAGE * np.arcsinh(j / (2 * j0)).mean(axis=1)


def voltage(seconds, stop):
    """Voltage while a current flows until `stop`."""
    x = (
        CELL.negative.initial
        + surface(seconds, CELL.negative, -1)
        - surface(seconds - stop, CELL.negative, -1)
    )
    y = CELL.positive.initial + surface(seconds, CELL.positive, 1) - surface(seconds - stop, CELL.positive, 1)
    c, (first, second, _) = salt(seconds, lambda t: CURRENT * (t < stop))
    on = seconds < stop
    layers = zip((CELL.negative, CELL, CELL.positive), (1 / 3, 1, 1 / 3), strict=True)
    resistance = sum(w * one.thickness / (one.porosity**BRUGGEMAN * CELL.conductivity) for one, w in layers)
    for electrode in (CELL.negative, CELL.positive):
        resistance += electrode.thickness / (3 * electrode.conductivity)
    lost = overpotential(CELL.negative, x, c[:, :first]) + overpotential(CELL.positive, y, c[:, second:])
    uneven = np.log(c[:, second:]).mean(axis=1) - np.log(c[:, :first]).mean(axis=1)
    ohmic = CURRENT * (CONTACT + resistance / CELL.area)
    return (
        positive_chen(y) - negative_chen(x) - on * (lost + ohmic)
        + 2 * (1 - CELL.transference) * THERMAL_VOLTAGE * uneven
    )  # fmt: skip


def main():
    """Write both tables."""
    rng = np.random.default_rng(SEED)
    for name, seconds, stop in (
        ("discharge", np.arange(0.0, 3301.0, 60.0), 1e12),
        ("pulse", np.arange(0.0, 3601.0, 60.0), 1200.0),
    ):
        seen = voltage(seconds, stop) + NOISE * rng.standard_normal(seconds.size)
        rows = [f"{t:g},{V:.5f}" for t, V in zip(seconds, seen, strict=True)]
        (Path(__file__).parent / f"{name}.csv").write_text("\n".join(["time [s],voltage [V]", *rows]) + "\n")


if __name__ == "__main__":
    main()
