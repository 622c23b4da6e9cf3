"""Make what instruments see of a self-heating solid electrolyte, by other routes than the fitted model's.

Conductivity: the harmonic mean of a million bonds drawn at random. Between electrodes: the theorem of the
thermistor, by a fine sum. Runaway: the balance of heat shot outwards from the axis, and the hottest furnace
that any temperature there admits. Warming: finite volumes on 200 rings in time.
Run from the root of the repository.
"""

from pathlib import Path

import numpy as np
from scipy.integrate import cumulative_trapezoid, solve_ivp
from scipy.optimize import brentq, minimize_scalar

HERE = Path(__file__).parent
SEED = 20261127
KB, EV, RADIATION = 1.380649e-23, 1.602176634e-19, 5.670374419e-8
SIGMA_300, BARRIER, SCATTER = 0.03, 0.35, 0.03  # S/m, eV, eV
K, CAPACITY, EMISSIVITY = 1.5, 2.5e6, 0.8  # W/(m K), J/(m^3 K), -
CONTACT, CONVECTION, HALF = 2e4, 20.0, 2e-3  # W/(m^2 K), W/(m^2 K), m
BONDS = 1_000_000


def chain(rng):
    """Return the conductivity of a chain of bonds at any temperatures."""
    barriers = EV * (BARRIER + SCATTER * rng.standard_normal(BONDS))

    def mobile(T):
        return 1 / (T * np.mean(np.exp(barriers / (KB * T))))

    at_300 = mobile(300.0)
    table = np.linspace(230.0, 900.0, 671)
    log = np.log([SIGMA_300 * mobile(T) / at_300 for T in table])
    # Straight in 1/T between temperatures one kelvin apart: good to 1e-6.
    return lambda T: np.exp(np.interp(-1 / T, -1 / table, log))


def between_electrodes(sigma, field, T_0):
    """Return current density and middle temperature of a slab between electrodes at T_0."""
    V = 2 * HALF * field
    T = np.arange(T_0, T_0 + 150.0, 0.002)
    theorem = cumulative_trapezoid(K / sigma(T), T, initial=0.0)  # the theorem's integral
    share = (np.arange(4000) + 0.5) / 4000  # of the potential, from the middle to an electrode

    def along(surface):
        """Current density and middle temperature, if the surface has this temperature."""
        before = np.interp(surface, T, theorem)
        local = np.interp(before + V**2 / 8 * (1 - share**2), theorem, T)
        return V / (2 * HALF) * np.mean(sigma(local)), np.interp(before + V**2 / 8, theorem, T)

    # Each electrode takes away half the power.
    surface = brentq(lambda one: 2 * CONTACT * (one - T_0) - V * along(one)[0], T_0, T_0 + 5.0, xtol=1e-10)
    return along(surface)


def lost(surface, T_0):
    """Heat that leaves a rod through its surface."""
    return CONVECTION * (surface - T_0) + EMISSIVITY * RADIATION * (surface**4 - T_0**4)


def onset(sigma, field):
    """Return the furnace temperature above which a rod has no steady state."""

    def furnace(axis):
        """The furnace in which a rod with this temperature on its axis is at rest."""
        near = HALF / 1e3  # the axis, where the slope is in proportion to the radius
        start = [axis, -sigma(axis) * field**2 / K * near / 2]
        shot = solve_ivp(
            lambda r, y: [y[1], -sigma(y[0]) * field**2 / K - y[1] / r], (near, HALF), start, rtol=1e-8
        )
        surface, slope = shot.y[:, -1]
        if lost(surface, 0.0) + K * slope < 0:
            return 0.0  # more heat than the coldest surroundings would take
        return brentq(lambda T: lost(surface, T) + K * slope, 0.0, surface)

    return -minimize_scalar(lambda axis: -furnace(axis), bounds=(250, 850), method="bounded").fun


def warming(sigma, field, T_0, times):
    """Return the surface temperature of a rod after the field was switched on."""
    edges = np.linspace(0, HALF, 201)
    volume, area = np.diff(edges**2) / 2, edges[1:]
    width = edges[1]

    def outer(inside):
        """Temperature of the surface, half a ring away from the last centre."""
        return brentq(lambda T: 2 * K / width * (inside - T) - lost(T, T_0), T_0 - 1, inside + 1)

    def rate(t, T):  # noqa: ARG001
        flow = np.append(K * np.diff(T) / width, 0.0) * area
        flow[-1] = -lost(outer(T[-1]), T_0) * area[-1]
        return (sigma(T) * field**2 + np.diff(np.append(0.0, flow)) / volume) / CAPACITY

    path = solve_ivp(rate, (0, times[-1]), np.full(200, T_0), "BDF", times, rtol=1e-7, atol=1e-6)
    last = path.y[-1]
    return [outer(T) for T in last]


def write(name, header, columns):
    """Write one table."""
    rows = [",".join(f"{value:.6g}" for value in row) for row in zip(*columns, strict=True)]
    (HERE / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")


def main():
    """Write all tables."""
    rng = np.random.default_rng(SEED)
    sigma = chain(rng)
    T = np.arange(250.0, 451.0, 20.0)
    seen = sigma(T) * (1 + 0.02 * rng.standard_normal(T.size))
    write("impedance", "temperature [K],conductivity [S/m]", (T, seen))
    field = np.array([10e3, 15e3, 18e3, 4e3, 6e3, 7.5e3])
    T_0 = np.repeat([300.0, 340.0], 3)
    seen = np.array([between_electrodes(sigma, *one) for one in zip(field, T_0, strict=True)]).T
    noisy = seen[0] * (1 + 0.01 * rng.standard_normal(6)), seen[1] + 0.5 * rng.standard_normal(6)
    header = "field [V/m],furnace_temperature [K],current_density [A/m^2],middle_temperature [K]"
    write("joule", header, (field, T_0, *noisy))
    times = np.arange(30.0, 451.0, 30.0)
    surface = warming(sigma, 1000.0, 340.0, times) + 0.5 * rng.standard_normal(times.size)
    write("warming", "time [s],surface_temperature_in_time [K]", (times, surface))
    fields = np.array([700.0, 1500.0])
    clean = np.array([onset(sigma, one) for one in fields])
    write("onset", "field [V/m],onset_temperature [K]", (fields, clean + 5 * rng.standard_normal(2)))
    print(seen.T.tolist(), clean.tolist())


if __name__ == "__main__":
    main()
