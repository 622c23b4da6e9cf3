"""A calibration whose posterior is a normal law that can be written down."""

from pathlib import Path

import numpy as np

CASE = """
system = "toys/line"
question = "How fast does the line grow, and where did it start?"
seed = 7

[fixed]
temperature = 300
weights = [1, 0]

[[experiment]]
name = "10 % <slow>"
data = ["slow.csv", "end.csv"]

[[experiment]]
name = "fast"
data = "fast.csv"
fixed = { temperature = 330 }

[law]
length = { sd = 0.1 }
end = { sd = 0.2 }

[prior]
offset = { dist = "normal", mean = 0, sd = 1 }
speed = { dist = "normal", mean = 0, sd = 10 }

[method]
sampler = "laplace"
draws = 300
tune = 0
chains = 2
cores = 0

[expect]
speed = { truth = 2, within = "99.9 %" }
doubled_speed = { mean = 4, tolerance = 1 }
"""
FILES = {
    "slow.csv": "time [s],length [m]\n0,0.52\n1,2.41\n2,\n3,6.6\n",
    "end.csv": "end [m]\n20.6\n",
    "fast.csv": "time [s],length [m]\n1,2.8\n2,4.9\n",
}


def write_case(folder: Path, text: str = CASE) -> Path:
    """Put the case and its data into a folder."""
    for name, content in FILES.items():
        (folder / name).write_text(content)
    (folder / "line.toml").write_text(text)
    return folder / "line.toml"


# one row per reading: stretch, time, reading, sd
ROWS = np.array(
    [
        (1.0, 0, 0.52, 0.1),
        (1.0, 1, 2.41, 0.1),
        (1.0, 3, 6.6, 0.1),
        (1.0, 10, 20.6, 0.2),
        (1.1, 1, 2.8, 0.1),
        (1.1, 2, 4.9, 0.1),
    ]
)


def _parts(rows: np.ndarray = ROWS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return design ``(n, 2)``, readings ``(n,)`` and their sd."""
    stretch, time, reading, sd = rows.T
    return stretch[:, None] * np.stack([np.ones_like(time), time], axis=1), reading, sd


def exact_posterior(noise: float = 1.0, rows: np.ndarray = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Return mean ``(2,)`` and covariance ``(2, 2)`` of (offset, speed), by linear algebra alone.

    The readings are those of `rows`, their sds the case's, times `noise`.
    """
    design, reading, sd = _parts(rows)
    sd = noise * sd
    precision = (design / sd[:, None] ** 2).T @ design + np.diag([1.0, 0.01])
    covariance = np.linalg.inv(precision)
    return covariance @ design.T @ (reading / sd**2), covariance


def _predicted(prior: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return error ``(6,)`` and covariance of the readings, before any is seen; `prior` of the speed."""
    design, reading, sd = _parts()
    covariance = design @ np.diag([1.0, prior[1] ** 2]) @ design.T + np.diag(sd**2)
    return reading - design @ [0.0, prior[0]], covariance


def exact_evidence(prior: tuple[float, float]) -> float:
    """Return the log of the marginal likelihood, given mean and sd of the prior of the speed."""
    error, covariance = _predicted(prior)
    spread = np.linalg.slogdet(2 * np.pi * covariance)[1]
    return float(-0.5 * error @ np.linalg.solve(covariance, error) - 0.5 * spread)


def exact_held_out(prior: tuple[float, float]) -> np.ndarray:
    """Return the log-density ``(6,)`` of each reading given the others, from the joint law of all."""
    error, covariance = _predicted(prior)
    precision = np.linalg.inv(covariance)
    variance = 1 / np.diag(precision)
    return -0.5 * (np.log(2 * np.pi * variance) + variance * (precision @ error) ** 2)
