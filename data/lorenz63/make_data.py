"""Makes the synthetic readings of this folder: `python make_data.py`.

The path comes from an adaptive method of order 8, not from the Runge-Kutta steps that are fitted to it.
"""

from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

HERE = Path(__file__).parent
SEED = 20261120
SIGMA, RHO, BETA = 10.0, 28.0, 8 / 3
START = (1.509, -1.531, 25.46)
SD = 0.5


def rate(_, state):
    """Right-hand side of Lorenz (1963)."""
    x, y, z = state
    return [SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z]


def write(name: str, times: np.ndarray, start: np.ndarray, sd: float, rng: np.random.Generator) -> None:
    """Write readings of the path from a start."""
    span = (0, times[-1])
    path = solve_ivp(rate, span, start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-12).y.T
    readings = path + sd * rng.standard_normal(path.shape)
    rows = [f"{t:.2f},{x:.2f},{y:.2f},{z:.2f}" for t, (x, y, z) in zip(times, readings, strict=True)]
    (HERE / name).write_text("\n".join(["time [1],x [1],y [1],z [1]", *rows]) + "\n")


def main() -> None:
    """Write convection.csv, and sakov2012.csv with the settings of that paper."""
    write("convection.csv", np.arange(1, 17) * 0.05, START, SD, np.random.default_rng(SEED))
    rng = np.random.default_rng(SEED + 1)
    start = START + np.sqrt(2) * rng.standard_normal(3)
    write("sakov2012.csv", np.arange(1, 17) * 0.25, start, np.sqrt(2), rng)


if __name__ == "__main__":
    main()
