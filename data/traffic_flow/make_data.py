"""Make the detector series of two blocked roads, by vehicles: drivers that differ, or a road that does.

Newell's car following, solved for the time at which each vehicle passes every metre: it passes x no sooner
than its free speed allows, and no sooner than a headway after its leader has passed x and its spacing. On the
first road vehicles enter at random, and headway and spacing are the driver's own; on the second a light lets
them in one by one, all drivers are alike, and the headway is that of the place. The fitted model knows
densities alone. Run from the root of the repository.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SEED = 20261126
LENGTH, START, STOP, END = 3000.0, 300.0, 1200.0, 2400.0  # m, s
FREE_SPEED, INFLOW, EXIT = 30.0, 0.5, 0.25
HEADWAY, HEADWAY_SD, SPACING, SPACING_SD = 1.4, 0.35, 7.0, 0.8
CONTRAST, STRETCH, METERED = 0.35, 50.0, 0.4  # of the road that differs: headway, stretches in m, inflow
DETECTORS, MINUTE, SPEED_SD = (500.0, 1500.0, 2500.0), 60.0, 1.5
UPSTREAM, DOWNSTREAM = (975.0,), (1925.0, 2525.0)  # of the road that differs: in the middle of a stretch
GRID = np.arange(0.0, LENGTH + 1.0)


def at_random(rng):
    """Times at which vehicles want to enter; the road is in use already."""
    return np.cumsum(rng.exponential(1 / INFLOW, int(INFLOW * (END + 200)))) - 100.0


def metered():
    """The same where a light lets them in one by one."""
    return np.arange(-100.0, END + 100, 1 / METERED)


def drivers(rng, count):
    """Headway and spacing of each driver ``(count, 1)``."""
    headway = np.clip(HEADWAY + HEADWAY_SD * rng.standard_normal(count), 0.4, None)
    spacing = np.clip(SPACING + SPACING_SD * rng.standard_normal(count), 5.0, None)
    return headway[:, None], spacing[:, None]


def road(count):
    """Headway of all places ``(count, places)``, slow and fast in turn, and one spacing ``(count, 1)``."""
    slow = (GRID // STRETCH) % 2 == 0
    headway = np.where(slow, HEADWAY * (1 + CONTRAST), HEADWAY * (1 - CONTRAST))
    return np.tile(headway, (count, 1)), np.full((count, 1), SPACING)


def passages(wanted, headway, spacing):
    """Times ``(vehicles, places)`` at which the vehicles pass the places of the grid."""
    free, made = GRID / FREE_SPEED, []
    leader = np.full(GRID.size, -np.inf)
    for start, tau, gap in zip(wanted, headway, spacing, strict=True):
        held = np.interp(GRID + gap, GRID, leader, right=-np.inf) + tau
        own = np.maximum.accumulate(np.maximum(held, start) - free) + free
        if made:
            left = made[-1][-1]
            blocked = START <= left + 1 / EXIT < STOP
            own[-1] = max(own[-1], left + 1 / EXIT) if blocked else own[-1]
        leader = own
        made.append(own)
    return np.array(made)


def table(times, begin, end, interval, rng, detectors):
    """Rows of counts, and of speeds from `begin` to `end` metres past the detector in the last 20 s."""
    rows = ["time [s],x [m],count,speed [km/h]"]
    for stop in np.arange(interval, END + 1, interval):
        for place in detectors:
            at, gone = times[:, int(place)], times[:, int(place) + end]
            inside = (at > stop - interval) & (at <= stop)
            late = (gone > stop - 20) & (gone <= stop)  # nobody: no reading
            took = gone[late] - times[late, int(place) + begin]
            speed = np.mean((end - begin) / took) + SPEED_SD * rng.standard_normal() if took.size else np.nan
            shown = "" if np.isnan(speed) else f"{max(3.6 * speed, 0.0):.1f}"
            rows.append(f"{stop:g},{place:g},{inside.sum()},{shown}")
    return rows


def write(name, rows):
    """Write one table."""
    (HERE / name).write_text("\n".join(rows) + "\n")


def main():
    """Write the table of the one road, and both of the other."""
    rng = np.random.default_rng(SEED)
    wanted = at_random(rng)
    times = passages(wanted, *drivers(rng, wanted.size))
    write("blocked_road.csv", table(times, -20, 0, MINUTE, rng, DETECTORS))
    rng = np.random.default_rng(SEED + 1)
    wanted = metered()
    times = passages(wanted, *road(wanted.size))
    for name, detectors in (("uneven_road.csv", DOWNSTREAM), ("uneven_road_upstream.csv", UPSTREAM)):
        write(name, table(times, -int(STRETCH), int(STRETCH), 2 * MINUTE, rng, detectors))


if __name__ == "__main__":
    main()
