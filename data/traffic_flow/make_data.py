"""Make the detector series of a blocked road: single vehicles, each with its own headway and gap.

Newell's car following, solved vehicle by vehicle for the time at which each passes every metre: a vehicle
passes x no sooner than its free speed allows, and no sooner than its own headway after its leader has
passed x and its spacing. The fitted model knows densities alone. Run from the root of the repository.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SEED = 20261126
LENGTH, START, STOP, END = 3000.0, 300.0, 1200.0, 2400.0  # m, s
FREE_SPEED, INFLOW, EXIT = 30.0, 0.5, 0.25
HEADWAY, HEADWAY_SD, SPACING, SPACING_SD = 1.4, 0.35, 7.0, 0.8
DETECTORS, INTERVAL, SPEED_SD = (500.0, 1500.0, 2500.0), 60.0, 1.5
GRID = np.arange(0.0, LENGTH + 1.0)


def passages(rng):
    """Times ``(vehicles, places)`` at which the vehicles pass the places of the grid."""
    count = int(INFLOW * (END + 200))
    wanted = np.cumsum(rng.exponential(1 / INFLOW, count)) - 100.0  # the road is in use already
    headway = np.clip(HEADWAY + HEADWAY_SD * rng.standard_normal(count), 0.4, None)
    spacing = np.clip(SPACING + SPACING_SD * rng.standard_normal(count), 5.0, None)
    free, made = GRID / FREE_SPEED, []
    leader = np.full(GRID.size, -np.inf)
    for n in range(count):
        held = np.interp(GRID + spacing[n], GRID, leader, right=-np.inf) + headway[n]
        own = np.maximum.accumulate(np.maximum(held, wanted[n]) - free) + free
        if made:
            left = made[-1][-1]
            blocked = START <= left + 1 / EXIT < STOP
            own[-1] = max(own[-1], left + 1 / EXIT) if blocked else own[-1]
        leader = own
        made.append(own)
    return np.array(made)


def main():
    """Write one table, and say what became of the queue."""
    rng = np.random.default_rng(SEED)
    times = passages(rng)
    rows = ["time [s],x [m],count,speed [km/h]"]
    for stop in np.arange(INTERVAL, END + 1, INTERVAL):
        for place in DETECTORS:
            at = times[:, int(place)]
            inside = (at > stop - INTERVAL) & (at <= stop)
            # Speed over the last 20 m of those who passed in the last 20 s; nobody: no reading.
            late = at[(at > stop - 20) & (at <= stop)]
            before = times[(at > stop - 20) & (at <= stop), int(place) - 20]
            speed = np.mean(20 / (late - before)) + SPEED_SD * rng.standard_normal() if late.size else np.nan
            shown = "" if np.isnan(speed) else f"{max(3.6 * speed, 0.0):.1f}"
            rows.append(f"{stop:g},{place:g},{inside.sum()},{shown}")
    (HERE / "blocked_road.csv").write_text("\n".join(rows) + "\n")
    print(f"{len(times)} vehicles, {len(rows) - 1} readings")


if __name__ == "__main__":
    main()
