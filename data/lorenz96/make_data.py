"""Makes the synthetic readings of this folder: `python make_data.py`.

The path comes from an adaptive method of order 8, not from the Runge-Kutta steps that are fitted to it.
"""

from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

HERE = Path(__file__).parent
SEED = 20261120
FORCING, SITES = 8.0, 40
SD = 0.5


def rate(_, x):
    """Right-hand side of Lorenz (1996)."""
    return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + FORCING


def main() -> None:
    """Write stations.csv: every fourth site, at five times."""
    times, sites = np.array([0.2, 0.4, 0.6, 0.8, 1.0]), np.arange(0, SITES, 4)
    start = np.eye(SITES)[0]
    path = solve_ivp(rate, (0, 1), start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-12).y.T
    readings = path[:, sites] + SD * np.random.default_rng(SEED).standard_normal((times.size, sites.size))
    rows = [
        f"{t:.1f},{site},{x:.2f}"
        for t, row in zip(times, readings, strict=True)
        for site, x in zip(sites, row, strict=True)
    ]
    (HERE / "stations.csv").write_text("\n".join(["time [1],site [1],reading [1]", *rows]) + "\n")


if __name__ == "__main__":
    main()
