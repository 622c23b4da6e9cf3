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
    "slow.csv": "time,length\n0,0.52\n1,2.41\n2,\n3,6.6\n",
    "end.csv": "end\n20.6\n",
    "fast.csv": "time,length\n1,2.8\n2,4.9\n",
}


def write_case(folder: Path, text: str = CASE) -> Path:
    """Put the case and its data into a folder."""
    for name, content in FILES.items():
        (folder / name).write_text(content)
    (folder / "line.toml").write_text(text)
    return folder / "line.toml"


def exact_posterior() -> tuple[np.ndarray, np.ndarray]:
    """Return mean ``(2,)`` and covariance ``(2, 2)`` of (offset, speed), by linear algebra alone."""
    # one row per reading: stretch, time, reading, sd
    rows = np.array(
        [
            (1.0, 0, 0.52, 0.1),
            (1.0, 1, 2.41, 0.1),
            (1.0, 3, 6.6, 0.1),
            (1.0, 10, 20.6, 0.2),
            (1.1, 1, 2.8, 0.1),
            (1.1, 2, 4.9, 0.1),
        ]
    )
    stretch, time, reading, sd = rows.T
    design = stretch[:, None] * np.stack([np.ones_like(time), time], axis=1) / sd[:, None]
    precision = design.T @ design + np.diag([1.0, 0.01])
    covariance = np.linalg.inv(precision)
    return covariance @ design.T @ (reading / sd), covariance
