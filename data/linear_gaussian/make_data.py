"""Make the synthetic tracer readings: run it in this folder, ``python make_data.py``.

The path comes from the eigenvectors of the rate matrix, not from the power series of the fitted model.
"""

import numpy as np

SEED = 20261120
INFLOW, FIRST, SECOND = 2.0, 5.0, 1.0  # mg/h, mg, mg
K_OUT, K_THERE, K_BACK = 0.3, 0.5, 0.2  # 1/h
SD = 0.5  # mg
TIMES = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 12.0, 15.0])


def main():
    """Write tracer.csv."""
    rates = np.array([[-(K_OUT + K_THERE), K_BACK], [K_THERE, -K_BACK]])
    rest = np.array([INFLOW / K_OUT, INFLOW / K_OUT * K_THERE / K_BACK])
    speeds, modes = np.linalg.eig(rates)
    weights = np.linalg.solve(modes, np.array([FIRST, SECOND]) - rest)
    amount = rest[0] + (np.exp(np.outer(TIMES, speeds)) * weights) @ modes[0]
    readings = amount + SD * np.random.default_rng(SEED).standard_normal(TIMES.size)
    rows = [f"{time:g},{reading:.3f}" for time, reading in zip(TIMES, readings, strict=True)]
    with open("tracer.csv", "w", encoding="utf-8") as file:
        file.write("\n".join(["time [h],amount [mg]", *rows]) + "\n")
    print(f"tracer.csv: {len(rows)} readings, seed {SEED}")


if __name__ == "__main__":
    main()
