"""The moments that samplers are held to: `python reference_posterior.py` draws them anew, long.

NUTS, exact, 4 chains of 3000 draws; every moment of the posterior of `inclusions` is known to a hundredth
of its standard deviation. The file keeps them with the settings and a checksum of both and of the case.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import one_thread  # noqa: F401

# isort: split

import numpy as np
from runs import effective, entries

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.infer.chains import sample
from mscale_uq.infer.coordinates import to_sampler
from mscale_uq.infer.settings import Settings

FILE = Path(__file__).parent / "inclusions_posterior.json"
SETTINGS = {"sampler": "nuts", "draws": 3000, "tune": 500, "chains": 4, "seed": 20261127}
LIMIT = 4.0  # standard errors


@dataclass(frozen=True)
class Moments:
    """Of a posterior in coordinates z that are standard normal under the prior.

    Attributes
    ----------
    values
        Means and standard deviations ``(2, n)``.
    errors
        Their Monte Carlo errors.
    ess
        Least effective sample size of a mean, in bulk.
    """

    values: np.ndarray
    errors: np.ndarray
    ess: float

    def off(self, reference: "Moments") -> float:
        """Return the largest difference, in standard errors of both."""
        return float((np.abs(self.values - reference.values) / np.hypot(self.errors, reference.errors)).max())

    def resolution(self, reference: "Moments") -> float:
        """Return the least bias of a mean that the gate is sure to see, in standard deviations."""
        errors = np.hypot(self.errors[0], reference.errors[0]) / reference.values[1]
        return float(LIMIT * errors.max())

    def verdict(self, reference: "Moments") -> str:
        """Say whether the moments are the reference's, and how finely that was looked at."""
        if not np.isfinite(off := self.off(reference)):
            return "OFF: too few draws"
        if off > LIMIT:
            return f"OFF by {off:.0f} errors"
        return f"agree to {self.resolution(reference):.2f} sd"


def moments(chains: np.ndarray) -> Moments:
    """Return the moments of chains ``(chains, draws, n)``; a moment's error is that of its own mean."""
    flat = chains.reshape(-1, chains.shape[2])
    mean, sd = flat.mean(axis=0), flat.std(axis=0)
    around = (chains - mean) ** 2
    bulk, square = (np.array([effective(x[:, :, k]) for k in range(mean.size)]) for x in (chains, around))
    of_sd = around.std(axis=(0, 1)) / np.sqrt(square) / (2 * sd)
    return Moments(np.array([mean, sd]), np.array([sd / np.sqrt(bulk), of_sd]), float(bulk.min()))


def in_z(posterior: Any, samples: Any) -> np.ndarray:
    """Return draws as ``(chains, draws, n)`` in the coordinates of samplers."""
    return np.array([[to_sampler(posterior, row) for row in chain] for chain in entries(samples)])


def checksum(content: dict[str, Any]) -> str:
    """Return that of the moments, the settings, and what they are of: the case and its data."""
    case = find_case("inclusions")
    (experiment,) = read_case(case).posterior().experiments
    data = [experiment.observed[name].tobytes() for name in sorted(experiment.observed)]
    parts = [json.dumps(content, sort_keys=True).encode(), case.read_bytes(), *data]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def stored() -> Moments:
    """Return the moments in the file.

    Raises
    ------
    ValueError
        If the file, the case or its data have changed since they were drawn.
    """
    content = json.loads(FILE.read_text())
    if content.pop("sha256") != checksum(content):
        raise ValueError(f"{FILE.name} is of another case: python tests/benchmarks/reference_posterior.py")
    return Moments(np.array(content["values"]), np.array(content["errors"]), content["ess"])


def main() -> None:
    posterior = read_case(find_case("inclusions")).posterior()
    samples = sample(posterior, Settings(**SETTINGS, cores=0))
    found = moments(in_z(posterior, samples))
    content = {
        "settings": SETTINGS,
        "unknowns": list(posterior.names),
        "values": found.values.round(5).tolist(),
        "errors": found.errors.round(6).tolist(),
        "ess": round(found.ess),
        "divergences": int(samples.stats["diverging"].sum()),
    }
    FILE.write_text(json.dumps({**content, "sha256": checksum(content)}, indent=1) + "\n")
    print(FILE.read_text())


if __name__ == "__main__":
    main()
