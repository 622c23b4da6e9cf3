"""Makes the synthetic readings of this folder: `python make_data.py`."""

from pathlib import Path

import numpy as np
from mscale_uq.models.reference.inclusions import X, Y, forward

HERE = Path(__file__).parent
SEED = 1
TRUTH = np.array([0.4, -0.3, 0.5, 0.6, 0.8])  # standard normal coordinates under the prior of the case
NOISE = 0.02  # sd, relative to the largest reading


def physical(z):
    """Return the parameters at standard normal coordinates."""
    return np.array([np.exp(np.log(10) + 0.5 * z[0]), np.exp(0.3 * z[1]), z[2], np.pi / 6 + 0.3 * z[3], z[4]])


def main() -> None:
    """Write potential.csv and say the noise."""
    exact = forward().value(physical(TRUTH))
    sd = NOISE * np.abs(exact).max()
    readings = exact + sd * np.random.default_rng(SEED).standard_normal(exact.size)
    rows = [f"{float(x)!r},{float(y)!r},{float(u)!r}" for x, y, u in zip(X, Y, readings, strict=True)]
    (HERE / "potential.csv").write_text("\n".join(["x [1],y [1],potential [1]", *rows]) + "\n")
    print(f"sd = {sd!r}")


if __name__ == "__main__":
    main()
