"""Makes the synthetic heat-conduction data of this folder: `python make_data.py`.

The readings come from a finer solver than the one fitted to them: cells of 160 x 160 elements and a plate of
96 x 96, against 32 x 32 and 24 x 24; in time, with steps of 2 s against 20 s.
"""

from pathlib import Path

import numpy as np
from mscale_uq.models.transport.heat_conduction import X, Y, forward

HERE = Path(__file__).parent
SEED = 20261120
FINE = {"cell_elements": 160, "elements": 96}
TRUTH = {"matrix_conductivity": 0.2, "filler_conductivity": 4.0, "heat_transfer": 10.0}
# Specimen -> filler fraction and heater power in W/m, chosen so that all become about equally hot.
SPECIMENS = {"filler_20": (0.2, 40.0), "filler_40": (0.4, 50.0), "filler_60": (0.6, 70.0)}
TEMPERATURE_SD, COOLING_SD = 0.2, 0.4  # K, W/m
ZERO_CELSIUS = 273.15


def steady(name: str, fraction: float, power: float, rng: np.random.Generator) -> None:
    """Write the steady readings of one specimen."""
    model = forward(**FINE)
    exact = model.value(model.theta(**TRUTH, filler_fraction=fraction, heater_power=power))
    temperature = exact[:-1] + TEMPERATURE_SD * rng.standard_normal(len(X))
    cooling = exact[-1] + COOLING_SD * rng.standard_normal()
    rows = [
        f"{1e3 * x:g},{1e3 * y:g},{T - ZERO_CELSIUS:.2f}" for x, y, T in zip(X, Y, temperature, strict=True)
    ]
    (HERE / f"{name}.csv").write_text("\n".join(["x [mm],y [mm],temperature [degC]", *rows]) + "\n")
    (HERE / f"{name}_cooling.csv").write_text(f"cooling_power [W/m]\n{cooling:.2f}\n")


def in_time(name: str, fraction: float, power: float, rng: np.random.Generator) -> None:
    """Write the readings of four thermocouples while one specimen warms up."""
    seconds = np.arange(60.0, 1801.0, 60.0)
    chosen = [1, 4, 7, 10]
    x, y = np.tile(np.array(X)[chosen], seconds.size), np.tile(np.array(Y)[chosen], seconds.size)
    time = np.repeat(seconds, len(chosen))
    model = forward(x=x, y=y, time=time, mode="transient", max_step=2.0, **FINE)
    exact = model.value(model.theta(**TRUTH, filler_fraction=fraction, heater_power=power))
    readings = exact + TEMPERATURE_SD * rng.standard_normal(exact.size)
    table = zip(time, x, y, readings, strict=True)
    rows = [f"{t:g},{1e3 * a:g},{1e3 * b:g},{T - ZERO_CELSIUS:.2f}" for t, a, b, T in table]
    header = "time [s],x [mm],y [mm],temperature [degC]"
    (HERE / f"{name}_warming.csv").write_text("\n".join([header, *rows]) + "\n")


def main() -> None:
    """Write all tables."""
    rng = np.random.default_rng(SEED)
    for name, (fraction, power) in SPECIMENS.items():
        steady(name, fraction, power, rng)
    in_time("filler_40", *SPECIMENS["filler_40"], rng)


if __name__ == "__main__":
    main()
