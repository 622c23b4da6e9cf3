"""Makes the synthetic readings of this folder: `python make_data.py`."""

from pathlib import Path

import numpy as np
from mscale_uq.models.reference._inclusions import X, Y
from mscale_uq.models.reference.graded_inclusions import MODES, forward

HERE = Path(__file__).parent
SEED = 2
COMMON = [10 * np.exp(0.5 * 0.4), np.exp(-0.3 * 0.3), np.pi / 6 + 0.3 * 0.6, 0.8, 0.2]
NOISE = 0.02  # sd, relative to the largest reading


def main() -> None:
    """Write potential.csv and truth.csv, and say the noise."""
    rng = np.random.default_rng(SEED)
    xi = 0.8 * rng.standard_normal(MODES)
    exact = forward(cell_elements=32, elements=32).value(np.array([*COMMON, *xi]))
    sd = NOISE * np.abs(exact).max()
    readings = exact + sd * rng.standard_normal(exact.size)
    rows = [f"{float(x)!r},{float(y)!r},{float(u)!r}" for x, y, u in zip(X, Y, readings, strict=True)]
    (HERE / "potential.csv").write_text("\n".join(["x [1],y [1],potential [1]", *rows]) + "\n")
    modes = [f"{k},{float(value)!r}" for k, value in enumerate(xi)]
    (HERE / "truth.csv").write_text("\n".join(["mode,xi", *modes]) + "\n")
    print(f"sd = {float(sd)!r}")


if __name__ == "__main__":
    main()
