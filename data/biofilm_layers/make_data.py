"""Makes the synthetic biofilm data of this folder: `python make_data.py`.

The readings come from the resolved film, 50 pairs of layers solved exactly one by one, not from the
homogenised model that is fitted to them.
"""

from pathlib import Path

import numpy as np
from mscale_uq.models.transport.biofilm_layers import resolved

HERE = Path(__file__).parent
SEED = 20261120
TRUTH = {
    "cluster_diffusivity": 2.0e-10,
    "matrix_diffusivity": 1.2e-9,
    "cluster_fraction": 0.6,
    "uptake_rate": 0.01,
    "surface_concentration": 0.25,
    "diffusivity_bias": 1.0,
}
PERIODS, THICKNESS = 50, 200e-6
CONCENTRATION_SD = 0.006  # mol/m^3, of the electrode
UPTAKE_SPREAD = 0.05  # relative, of the chamber


def main() -> None:
    """Write profile.csv and uptake.csv."""
    rng = np.random.default_rng(SEED)
    depth = np.linspace(10e-6, THICKNESS, 20)
    exact = resolved(TRUTH, depth=depth, thickness=THICKNESS, periods=PERIODS)
    readings = exact["concentration"] + CONCENTRATION_SD * rng.standard_normal(depth.size)
    uptake = exact["uptake"] * (1 + UPTAKE_SPREAD * rng.standard_normal())
    rows = [f"{1e6 * z:.0f},{1e3 * c:.1f}" for z, c in zip(depth, readings, strict=True)]
    (HERE / "profile.csv").write_text("\n".join(["depth [um],concentration [umol/L]", *rows]) + "\n")
    (HERE / "uptake.csv").write_text(f"uptake [nmol/(m^2 s)]\n{1e9 * uptake:.1f}\n")


if __name__ == "__main__":
    main()
