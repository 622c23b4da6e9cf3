"""The density of the benchmark for a sampler in another environment: asked for through a pair of pipes.

A question is a flag, what is wanted, and z; an answer is the log-density and its gradient.
"""

import os

import numpy as np

GRADIENT, COARSE = 1, 2  # 0 is the value of the fine density


class Remote:
    """Log-density of z ``(n,)``, evaluated by the process at the other end of the pipes."""

    def __init__(self, ask: int, answer: int, n: int) -> None:
        self._ask, self._answer, self._size = ask, answer, n

    def __call__(self, z, flag: int = 0):
        """Return the log-density, and its gradient if that is wanted."""
        os.write(self._ask, np.r_[float(flag), z].astype(float).tobytes())
        answer = np.frombuffer(os.read(self._answer, 8 * (1 + self._size)))
        return (float(answer[0]), answer[1:]) if flag == GRADIENT else float(answer[0])
