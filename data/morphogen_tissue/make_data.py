"""Make profiles of a growing gradient: run it in this folder, ``python make_data.py``.

Molecules are made at one end at random times, diffuse on a half line and live for random times, each on its
own: no cells, no mesh, no closure. The microscope counts those in a slice of the tissue.
"""

import numpy as np

SEED = 20261127
DIFFUSIVITY, DEGRADATION, INFLUX = 0.1, 2.5e-4, 0.03  # um^2/s, 1/s, 1/(um^2 s)
AREA, SLICE = 4e4, 2.0  # um^2 of tissue that is averaged over, um
BRIGHTNESS, BACKGROUND = 100.0, 6.0  # um^3, 1
RELATIVE, CAMERA = 0.05, 3.0  # of the fluorescence; one sd
TIMES = (1000.0, 3000.0, 10000.0)  # s
PLACES = np.arange(2.5, 80.0, 5.0)  # um


def molecules(time, rng):
    """Return the places ``(n,)`` of the molecules that are alive at a time."""
    born = time * rng.random(rng.poisson(INFLUX * AREA * time))
    age = time - born
    age = age[rng.exponential(1 / DEGRADATION, age.size) > age]
    return np.abs(np.sqrt(2 * DIFFUSIVITY * age) * rng.standard_normal(age.size))


def main():
    """Write profiles.csv."""
    rng, rows = np.random.default_rng(SEED), ["time [min],x [um],fluorescence"]
    for time in TIMES:
        places = molecules(time, rng)
        for x in PLACES:
            concentration = np.sum(np.abs(places - x) < SLICE / 2) / (AREA * SLICE)
            bright = BRIGHTNESS * concentration + BACKGROUND
            reading = bright * (1 + RELATIVE * rng.standard_normal()) + CAMERA * rng.standard_normal()
            rows.append(f"{time / 60:.6g},{x:.6g},{reading:.5g}")
    with open("profiles.csv", "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
