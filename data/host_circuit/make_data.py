"""Make the synthetic plate: five constructs and their host without any, read every ten minutes.

SciPy integrates at tolerance 1e-11. The protein of these cells is a little toxic, supply falls as
1/(1 + (p/100)^2), which the fitted model does not know: construct 5 loses 0.9 % of it. Run from the root of
the repository.
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
    supply = SUPPLY / (1 + (p / 100) ** 2)
    spent = (MAINTENANCE + c * k_t) * E + GROWTH * E**2
    return [supply - spent, k_t * E - (GROWTH * E + DEGRADATION) * p]


def main():
    """Write one file per construct, and one of the host without any, of which only growth is read."""
    rng = np.random.default_rng(SEED)
    for number, pair in enumerate(zip(EXPRESSION, COST, strict=True), 1):
        write(f"construct_{number}.csv", read(rng, *pair))
    write("host_alone.csv", read(rng, 0.0, 0.0)[:, :1])


def read(rng, k_t, c):
    """Return growth and fluorescence of one culture, shape (times, 2), with their scatter."""
    hours = MINUTES / 60
    run = solve_ivp(velocity, (0, hours[-1]), START, "LSODA", hours, args=(k_t, c), rtol=1e-11, atol=1e-13)
    exact = np.array([GROWTH * run.y[0], GAIN * run.y[1]])
    return (exact * (1 + SCATTER * rng.standard_normal(exact.shape))).T


def write(name, readings):
    """Write the readings of one culture."""
    with (Path(__file__).parent / name).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time [min]", "growth [1/h]", "fluorescence"][: 1 + readings.shape[1]])
        for minute, (growth, *light) in zip(MINUTES, readings, strict=True):
            writer.writerow([minute, f"{growth:.4f}", *(f"{one:.2f}" for one in light)])
    print(f"{name}: growth {readings[-1, 0]:.4f} 1/h at the end")


if __name__ == "__main__":
    main()
