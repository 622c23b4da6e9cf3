"""Make the synthetic cell: another integrator, another way to read the features, and noise.

SciPy's LSODA runs the cell for five minutes of its time at tolerance 1e-9; the features are read off the last
beats, sampled at 20 kHz, by interpolation. Run from the root of the repository.
"""

import csv
from pathlib import Path

import numba
import numpy as np
from mscale_uq.models.physiology import _severi2012 as severi
from scipy.integrate import solve_ivp

SEED = 20261120
TRUTH = {"g_f": 1.25, "g_Kr": 0.9, "P_CaL": 1.1, "K_NaCa": 0.85, "P_up": 1.15}
# Noise, one sd: relative, or in the unit of the column.
COLUMNS = {
    "cycle_length [ms]": ("relative", 0.02),
    "diastolic_potential [mV]": ("absolute", 1.0),
    "overshoot [mV]": ("absolute", 1.0),
    "upstroke_velocity [V/s]": ("relative", 0.08),
    "apd50 [ms]": ("relative", 0.03),
    "diastolic_slope [mV/s]": ("relative", 0.10),
    "calcium_low [nmol/L]": ("relative", 0.10),
    "calcium_high [nmol/L]": ("relative", 0.10),
}


@numba.njit
def velocity(t, s, p):
    """Return ds/dt."""
    made = np.empty_like(s)
    severi.rate(t, s, p, made)
    return made


def features(scales, funny_left=1.0):
    """Return the features of the settled beat, in the order of `COLUMNS`."""
    p = np.array([*(scales.get(name, 1.0) for name in severi.SCALES), funny_left, 0.0, 0.0, 0.0, 0.0])
    start = np.array([severi.START[name] for name in severi.STATES])
    solution = solve_ivp(velocity, (0, 300), start, "LSODA", args=(p,), rtol=1e-8, atol=1e-10, t_eval=[298.0])
    step = 5e-5
    times = np.arange(0, 2, step)
    run = solve_ivp(
        velocity, (0, 2), solution.y[:, -1], "LSODA", args=(p,), rtol=1e-9, atol=1e-12, t_eval=times
    )
    V, Ca = run.y[29], run.y[26]
    ups = np.flatnonzero((V[:-1] < -20) & (V[1:] >= -20))
    crossed = times[ups] + (-20 - V[ups]) / (V[ups + 1] - V[ups]) * step
    beat = slice(ups[1], ups[2])
    V, Ca, t, dV = V[beat], Ca[beat], times[beat], np.gradient(V, step)[beat]
    low, up = V.argmin(), dV.argmax()
    half = np.flatnonzero(V[up:] < (V.max() + V.min()) / 2)[0] + up
    later = np.interp(t[low] + 0.1, t, V)
    return np.array([
        1e3 * np.diff(crossed)[1], V.min(), V.max(), 1e-3 * dV.max(), 1e3 * (t[half] - t[up]),
        (later - V.min()) / 0.1, 1e6 * Ca.min(), 1e6 * Ca.max(),
    ])  # fmt: skip


def write(name, columns, values):
    """Write one row."""
    with (Path(__file__).parent / name).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerow([f"{value:.5g}" for value in values])


def main():
    """Make both files: the cell, and its cycle length under ivabradine, which is held out."""
    rng = np.random.default_rng(SEED)
    exact = features(TRUTH)
    kinds = list(COLUMNS.values())
    sd = np.array(
        [
            size * abs(value) if kind == "relative" else size
            for (kind, size), value in zip(kinds, exact, strict=True)
        ]
    )
    write("cell.csv", COLUMNS, exact + sd * rng.standard_normal(exact.size))
    drugged = features(TRUTH, funny_left=0.34)[0]
    write("ivabradine.csv", list(COLUMNS)[:1], [drugged * (1 + 0.02 * rng.standard_normal())])
    print(f"exact: {exact}\nunder ivabradine: {drugged:.3f} ms")


if __name__ == "__main__":
    main()
