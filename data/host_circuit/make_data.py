"""Make the synthetic plate: five constructs, integrated by SciPy at tolerance 1e-11, read every ten minutes.

The protein of these cells is a little toxic, supply falls as 1/(1 + (p/400)^2), which the fitted model does
not know: at p = 4 it is 1e-4. Run from the root of the repository.
"""

import csv
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

SEED = 20261120
EXPRESSION, COST = (0.7, 1.3, 2.0, 3.2, 5.0), (1.2, 0.8, 1.0, 1.4, 0.9)
SUPPLY, MAINTENANCE, GROWTH, DEGRADATION, GAIN = 10.0, 1.0, 0.5, 0.05, 100.0
START = (0.5, 0.1)
MINUTES = np.arange(10, 241, 10)
SCATTER = 0.05


def velocity(_time, y, k_t, c):
    """Energy and protein of the toxic circuit."""
    E, p = y
    supply = SUPPLY / (1 + (p / 400) ** 2)
    spent = (MAINTENANCE + c * k_t) * E + GROWTH * E**2
    return [supply - spent, k_t * E - (GROWTH * E + DEGRADATION) * p]


def main():
    """Write one file per construct."""
    rng = np.random.default_rng(SEED)
    for number, pair in enumerate(zip(EXPRESSION, COST, strict=True), 1):
        hours = MINUTES / 60
        run = solve_ivp(velocity, (0, hours[-1]), START, "LSODA", hours, args=pair, rtol=1e-11, atol=1e-13)
        exact = np.array([GROWTH * run.y[0], GAIN * run.y[1]])
        seen = exact * (1 + SCATTER * rng.standard_normal(exact.shape))
        with (Path(__file__).parent / f"construct_{number}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["time [min]", "growth [1/h]", "fluorescence"])
            for minute, growth, light in zip(MINUTES, *seen, strict=True):
                writer.writerow([minute, f"{growth:.4f}", f"{light:.2f}"])
        print(f"construct {number}: growth {exact[0, -1]:.4f} 1/h, fluorescence {exact[1, -1]:.2f}")


if __name__ == "__main__":
    main()
