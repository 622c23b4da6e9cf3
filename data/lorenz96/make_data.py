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


def write(name: str, times: np.ndarray, sites: np.ndarray, sd: float, seed: int, digits: int) -> None:
    """Write readings of some sites."""
    start, span = np.eye(SITES)[0], (0, times[-1])
    path = solve_ivp(rate, span, start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-12).y.T
    readings = path[:, sites] + sd * np.random.default_rng(seed).standard_normal((times.size, sites.size))
    rows = [
        f"{t:.{digits}f},{site},{x:.2f}"
        for t, row in zip(times, readings, strict=True)
        for site, x in zip(sites, row, strict=True)
    ]
    (HERE / name).write_text("\n".join(["time [1],site [1],reading [1]", *rows]) + "\n")


def main() -> None:
    """Write stations.csv, every fourth site at five times, and sakov2008.csv as in that paper."""
    write("stations.csv", np.array([0.2, 0.4, 0.6, 0.8, 1.0]), np.arange(0, SITES, 4), SD, SEED, 1)
    write("sakov2008.csv", np.arange(1, 41) * 0.05, np.arange(SITES), 1.0, SEED + 1, 2)


if __name__ == "__main__":
    main()
