"""Makes the synthetic data of this folder: `python make_data.py` (about four minutes).

The pores are those of three-dimensional images: overlapping oblate particles at random places, cut at the
porosity of the coating, D_eff by finite volumes on 96^3 pixels. No power of the porosity is put in.
"""

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from mscale_uq.cell.pore_image import pore_transport
from mscale_uq.cell.porous import bruggeman_exponent

HERE = Path(__file__).parent
SEED = 20261120
PIXELS, PARTICLES = 96, 50
POROSITIES = (0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60)
DISCS = 4
BULK_DIFFUSIVITY = 3e-10  # m^2/s
IMPEDANCE_SCATTER, POROSITY_SD = 0.05, 0.01


def particle_image(porosity: float, flatness: float, rng: np.random.Generator) -> np.ndarray:
    """Return an image, true where pore, of particles `flatness` times wider than high; axis 0 is up."""
    box = np.array([flatness, 1.0, 1.0])
    centres = cKDTree(rng.random((PARTICLES, 3)) * box, boxsize=box)
    pixels = (np.indices((PIXELS,) * 3).reshape(3, -1).T + 0.5) / PIXELS * box
    distance = centres.query(pixels)[0].reshape((PIXELS,) * 3)
    return distance > np.quantile(distance, 1 - porosity)


def main() -> None:
    """Write one table per coating and say what it was made from."""
    rng = np.random.default_rng(SEED)
    for number, porosity in enumerate(POROSITIES, start=1):
        image = particle_image(porosity, rng.uniform(1.0, 1.4), rng)
        ratio = pore_transport(image).tensor[0, 0]
        exponent = bruggeman_exponent(image.mean(), ratio)
        print(f"coating_{number}: porosity {image.mean():.4f}, D_eff/D {ratio:.5f}, exponent {exponent:.4f}")
        impedance = BULK_DIFFUSIVITY * ratio * (1 + IMPEDANCE_SCATTER * rng.standard_normal(DISCS))
        weighed = porosity + POROSITY_SD * rng.standard_normal(DISCS)
        rows = [
            f"{disc},{1e12 * D:.2f},{eps:.3f}"
            for disc, D, eps in zip(range(1, DISCS + 1), impedance, weighed, strict=True)
        ]
        header = "disc,effective_diffusivity [um^2/s],density_porosity [1]"
        (HERE / f"coating_{number}.csv").write_text("\n".join([header, *rows]) + "\n")


if __name__ == "__main__":
    main()
