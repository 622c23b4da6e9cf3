"""The density of `inclusions` in coordinates z, and a peer in an environment of its own that asks for it."""

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.infer.coordinates import to_physical

PEER_FOLDER = Path(__file__).parent / "peers"
GRADIENT, COARSE = 1, 2  # questions of a peer, beside 0 for a value
COARSE_OPTIONS = 'accuracy = "sampling", cell_elements = 16, elements = 16'


def coarse_posterior():
    """Return the posterior on half as many elements along every side, for delayed acceptance."""
    shipped = find_case("inclusions")
    text = shipped.read_text(encoding="utf-8").replace('accuracy = "sampling"', COARSE_OPTIONS)
    assert COARSE_OPTIONS in text
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / shipped.name
        path.write_text(text, encoding="utf-8")
        return read_case(path).posterior()


class Density:
    """Log-density of z ``(n,)``, and its gradient if that is wanted; counts calls and seconds."""

    def __init__(self, posterior) -> None:
        self.posterior, self.calls, self.seconds = posterior, 0, 0.0
        self._positive = [type(posterior.priors[name]).__name__ == "LogNormal" for name in posterior.names]
        origin, one = (to_physical(posterior, np.full(len(posterior.names), x)) for x in (0.0, 1.0))
        with np.errstate(all="ignore"):  # of a lognormal unknown, dx/dz = b x; of a normal one, b
            self._scales = np.where(self._positive, np.log(one / origin), one - origin)

    def __call__(self, z, gradient):
        began, theta = time.process_time(), to_physical(self.posterior, z)
        self.calls += 1
        if gradient:
            value, slope = self.posterior.log_likelihood_gradient(theta)
            found = value - 0.5 * z @ z, slope * self._scales * np.where(self._positive, theta, 1.0) - z
        else:
            found = self.posterior.log_likelihood(theta) - 0.5 * z @ z, np.zeros(z.size)
        self.seconds += time.process_time() - began
        return found


def answer(densities: Sequence[Density], n: int, ask: int, reply: int) -> None:
    """Answer questions until there are no more; the second density is the coarse one."""
    while len(question := os.read(ask, 8 * (1 + n))) == 8 * (1 + n):
        flag, *z = np.frombuffer(question)
        value, slope = densities[int(flag) // COARSE](np.array(z), int(flag) == GRADIENT)
        os.write(reply, np.r_[value, slope].tobytes())


@dataclass(frozen=True)
class Answered:
    """What a peer made: its chains, its evaluations, and the CPU seconds of both processes.

    `own` are the peer's: imports, its sampler, its end of the pipes; `densities` are ours.
    """

    chains: np.ndarray
    evaluations: int
    own: float
    densities: float


def peer(python: Path, script: str, densities: Sequence[Density], evaluations: int) -> Answered:
    """Run a peer and answer its questions."""
    n = len(densities[0].posterior.names)
    for density in densities:
        density(np.zeros(n), True)  # compile
        density.calls, density.seconds = 0, 0.0
    (ask, told), (asked, reply) = os.pipe(), os.pipe()  # (read, write) each
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "said").open("w+") as noise:
        out = Path(folder) / "chains.npz"
        command = [python, PEER_FOLDER / f"{script}.py", told, asked, n, evaluations, out]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        child = subprocess.Popen(
            [*map(str, command)], pass_fds=(told, asked), stdout=subprocess.DEVNULL, stderr=noise
        )
        os.close(told), os.close(asked)
        answer(densities, n, ask, reply)
        os.close(ask), os.close(reply)
        if child.wait():
            noise.seek(0)
            raise SystemExit(f"{script} failed: {noise.read()[-2000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        chains = np.load(out)["chains"]
    theirs = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Answered(chains, densities[0].calls, theirs, sum(density.seconds for density in densities))
