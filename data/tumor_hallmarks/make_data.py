"""Make two synthetic tumours: one whose parameters drift by chance as its genome gets unstable, one stable.

The equations as one writes them down, by SciPy at tolerance 1e-10 over half days; between these logarithms
of the drifting parameters gain normal numbers of variance s^2 G^2 dt (Euler-Maruyama). Run from the root.
"""

import csv
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

SEED = 20261127
HALF = 0.5
DRIFT, CHANCE = np.array([0.05, -0.05, 0.03]), 0.05  # 1/day, 1/sqrt(day)
DAYS = np.arange(3, 100, 3)
BIOPSIES = DAYS[2::3]
SCATTER = {"volume": 0.15, "vessel_density": 0.2, "marker": 0.1}


def velocity(_time, y, unstable):
    """Logarithms of volume and capacity, effector, suppressor, inflammation, instability, and what drifts."""
    v, k, x, p, i, g = y[:6]
    V, (alpha, s, kappa) = np.exp(v), np.array([0.2, 1.0, 1.0]) * np.exp(y[6:])
    division = x**2 / (0.09 + x**2) / (1 + (p / 0.5) ** 2)
    death = 0.01 + 0.04 * p**2 / (0.25 + p**2)
    return np.array([
        division * (k - v) - death,
        5.85 * kappa * np.exp(v - k) - 0.00873 * V ** (2 / 3),
        (0.5 + alpha + 0.5 * i) * (1 - x) - 2 * x - p * x,
        0.5 * (s * (1 + 2 * g) * (1 - p) - p),
        0.1 * V / (V + 1000) - 0.2 * i,
        unstable * (0.001 + 0.05 * i) * (1 - g) - 0.01 * g,
        *(DRIFT * g),
    ])  # fmt: skip


def tumour(unstable, rng):
    """Return the states ``(days, 9)``."""
    y, path = np.array([np.log(200), np.log(625), 0.3, 0.4, 0, 0, 0, 0, 0]), []
    for start in np.arange(0, DAYS[-1], HALF):
        run = solve_ivp(velocity, (0, HALF), y, "LSODA", rtol=1e-10, atol=1e-12, args=(unstable,))
        y = run.y[:, -1].copy()
        y[6:] += CHANCE * y[5] * np.sqrt(HALF) * rng.standard_normal(3)
        if start + HALF in DAYS:
            path.append(y.copy())
    return np.array(path)


def main():
    """Write a table for each tumour."""
    for name, unstable in (("drifting", 1.0), ("stable", 0.0)):
        rng = np.random.default_rng(SEED)
        path = tumour(unstable, rng)
        logs = np.array([path[:, 0], path[:, 1] - path[:, 0], np.log(path[:, 2])])
        scatter = np.array(list(SCATTER.values()))[:, None]
        seen = np.exp(logs + scatter * np.array([rng.standard_normal(len(DAYS)) for _ in logs]))
        with (Path(__file__).parent / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["time [day]", "volume [mm^3]", "vessel_density", "marker"])
            for row, day in enumerate(DAYS):
                biopsy = [f"{value:.4f}" if day in BIOPSIES else "" for value in seen[1:, row]]
                writer.writerow([day, f"{seen[0, row]:.0f}", *biopsy])
        moved = np.array([0.2, 1.0, 1.0]) * np.exp(path[:, 6:])
        for day in (30, 60, 99):
            print(f"{name}, day {day}: {np.round(moved[list(DAYS).index(day)], 4)}")


if __name__ == "__main__":
    main()
