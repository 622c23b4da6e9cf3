"""`Followed`: readings of individuals that are followed in time, so that each one's readings hang together.

An individual (a tracked cell) wanders around the mean of its kind: its deviation x obeys x' = F x + noise of
covariance Q and is read as slope . x + noise. The log-density of all its readings is that of a Kalman
filter, with the exact derivative to everything it reads; individuals are independent given the unknowns. F, Q
and slope are what the model makes beside the expected reading, one for each time: ``<quantity>_transition``
``(T, n, n)``, ``<quantity>_diffusion`` ``(T, n, n)`` and ``<quantity>_slope`` ``(T, n)``; the first F and Q
lead to the first time from a start without deviation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from mscale_uq.core.law import Law, LawTerms
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import InputError, SolveFailed, explain
from mscale_uq.observe.common_error import Passed, Path, together
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.full_readings import beyond, each_given_others
from mscale_uq.observe.laws import Gaussian, look_up, named_slopes
from mscale_uq.observe.path_covariance import PathCovariance
from mscale_uq.solve.followed_kernels import followed_adjoint

DIVIDES = "a filter follows divisions: `mscale assimilate`; or read founders alone: reader.cells = [..]"
PARTS = ("transition", "diffusion", "slope")
MOST = 2000  # readings of which some are full in one matrix, which is solved at each draw


@final
@dataclass(frozen=True)
class Followed(Law):
    """The joint law of the readings of many individuals.

    Attributes
    ----------
    noise
        Of one reading; its variance is taken at the expected reading.
    quantity
        Name of the prediction.
    individual, time
        For each reading ``(rows,)``, which individual it is of, and which of the T times it stands at.
    divides
        Whether some of them come from others, so that they do not begin without deviation.

    Raises
    ------
    InputError
        If two readings are of one individual at one time. When used: if the model has another number of times
        than the readings, individuals divide, or more than `MOST` readings are tied by an error of the
        background and some of them are full.
    SolveFailed
        When used: if readings vary so far beyond their noise that round-off leaves nothing of it, where some
        are full.

    Where the noise saturates, the readings at saturation count with the probability that all of them lie
    there, given the others (`observe.full_readings`): exact for one such reading of an individual.
    An error of the background ties the individuals of a frame; they are then filtered as one state
    (`observe.common_error`), which some ten of them allow. There must be a reading, or a missing one, at the
    last of the T times. Where some readings are full as well, all of them are one matrix, whose cost grows
    with the cube of their number.
    """

    noise: Gaussian | Fluorescence
    quantity: str
    individual: tuple[int, ...]
    time: tuple[int, ...]
    divides: bool = False

    def __post_init__(self) -> None:
        if len(set(zip(self.individual, self.time, strict=True))) < len(self.time):
            raise InputError(explain(f"{self.quantity}: two readings of one individual at one time", "one"))

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the model makes beside the prediction, and unknown noise levels."""
        made = (f"{self.quantity}_{part}" for part in PARTS)
        return (*made, *self.noise.reads)

    def logpdf(self, data: Array, prediction: Array, variance: Array, values: Values) -> LawTerms:
        """Return the log-density; `pointwise` is each reading's given the earlier ones of its individual.

        With an error of the background, given the earlier ones of all. Readings at saturation come after
        the others of their individual, or of all: the log of their joint probability stands at the last one.
        """
        pass_ = self._pass(data, prediction, variance, values)
        to_error, to_total = pass_.error, pass_.own
        light, relative = self._light(prediction), look_up(self.noise.relative, values)
        by_noise = to_total * self.noise.own_slope(prediction, values)
        sd = look_up(self.noise.sd, values)
        levels = {"sd": to_total * 2 * sd, "relative": to_total * 2 * relative * light**2}
        slopes: Named = {f"{self.quantity}_{part}": to for part, to in zip(PARTS, pass_.path, strict=True)}
        slopes.update(named_slopes(self.noise, levels, values))
        return LawTerms(pass_.logs, by_noise - to_error, to_total, slopes)

    def held_out(self, data: Array, prediction: Array, variance: Array, values: Values) -> Array:
        """Return each reading's log-density given all others, full ones as bounds; shaped like the data."""
        full = self.censored(data)
        own = np.broadcast_to(self.noise.own(prediction, variance, values), np.shape(data))
        known = self._known(self._model(values), np.where(full, np.nan, data) - prediction, own)
        precision, pull = known.precision, known.error
        safe = np.where(precision > 0, precision, 1.0)
        density = np.where(precision > 0, -0.5 * (np.log(2 * np.pi / safe) + pull**2 / safe), 0.0)
        if full.any():
            self._check_tied()
            groups = self.blocks(prediction, variance, values)
            with self._solving():
                for rows, logs in each_given_others(self._error(data, prediction), full, groups):
                    density[rows] = logs
        return density

    def censored(self, data: Array) -> np.ndarray:
        """Return which readings are at saturation."""
        return self.noise.censored(data)

    def mean(self, prediction: Array, values: Values) -> Array:
        """Return the expected readings."""
        return np.array(prediction, dtype=float)

    def cov(self, prediction: Array, variance: Array, values: Values) -> Array:
        """Return the covariance ``(rows, rows)``."""
        whole = np.zeros((np.size(prediction), np.size(prediction)))
        for rows, cov in self.blocks(prediction, variance, values):
            whole[np.ix_(rows, rows)] = cov
        return whole

    def blocks(
        self, prediction: Array, variance: Array, values: Values
    ) -> Iterator[tuple[np.ndarray, Array]]:
        """Yield the places ``(r,)`` and the covariance ``(r, r)`` of readings that hang together."""
        yield from self._groups(*self._parts(prediction, variance, values))

    def _groups(self, paths: PathCovariance, own: Array) -> Iterator[tuple[np.ndarray, Array]]:
        groups = self._each(paths, own)
        if not self._common:
            yield from groups
            return
        when, whole = self._places[1], np.zeros((own.size, own.size))
        for rows, cov in groups:
            whole[np.ix_(rows, rows)] = cov
        yield np.arange(own.size), whole + self._common**2 * (when[:, None] == when)

    def _each(self, paths: PathCovariance, own: Array) -> Iterator[tuple[np.ndarray, Array]]:
        """Yield the same of each individual, without what they share."""
        who, when = self._places
        for individual in np.unique(who):
            rows = np.flatnonzero(who == individual)
            yield rows, paths.between[np.ix_(when[rows], when[rows])] + np.diag(own[rows])

    def _parts(self, prediction: Array, variance: Array, values: Values) -> tuple[PathCovariance, Array]:
        """Return how readings hang together in time, and the variance of each one's own noise ``(rows,)``."""
        own = self.noise.own(prediction, variance, values)
        return PathCovariance(self._model(values)), np.broadcast_to(own, np.shape(prediction))

    def sample(self, prediction: Array, variance: Array, values: Values, rng: np.random.Generator) -> Array:
        """Draw the readings of other individuals, with paths of their own."""
        F, Q, slope = self._model(values)
        size, vectors = np.linalg.eigh(Q)
        roots = vectors * np.sqrt(np.maximum(size, 0.0))[:, None, :]
        paths = np.zeros((self._shape[0], F.shape[1]))
        read = np.empty(self._shape)
        for t in range(len(F)):
            paths = paths @ F[t].T + rng.standard_normal(paths.shape) @ roots[t].T
            read[:, t] = paths @ slope[t]
        noise = np.sqrt(self.noise.own(prediction, variance, values)) * rng.standard_normal(
            np.shape(prediction)
        )
        if self._common:
            noise += self._common * rng.standard_normal(len(F))[self._places[1]]
        return np.asarray(np.minimum(prediction + read[self._places] + noise, self._saturation))

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.individual), np.array(self.time)

    @cached_property
    def _shape(self) -> tuple[int, int]:
        individual, time = self._places
        return int(individual.max()) + 1, int(time.max()) + 1

    def _model(self, values: Values) -> Path:
        if self.divides:
            given = f"{self.quantity}: followed individuals that divide"
            raise InputError(explain(given, "individuals that each begin by themselves", DIVIDES))
        names = (f"{self.quantity}_{part}" for part in PARTS)
        F, Q, slope = (np.ascontiguousarray(values[name], dtype=float) for name in names)
        if len(F) != self._shape[1]:
            given = f"{self.quantity}: the last reading stands at time {self._shape[1]} of {len(F)}"
            raise InputError(explain(given, "a reading, or a missing one, at the last time"))
        return Path(F, Q, slope)

    @property
    def _saturation(self) -> float:
        limit = self.noise.saturation if isinstance(self.noise, Fluorescence) else None
        return np.inf if limit is None else limit

    @property
    def _common(self) -> float:
        """Standard deviation of the error that a time's readings share."""
        return self.noise.background_sd if isinstance(self.noise, Fluorescence) else 0.0

    def _light(self, prediction: Array) -> Array:
        return prediction - (self.noise.background if isinstance(self.noise, Fluorescence) else 0.0)

    def _pass(self, data: Array, prediction: Array, variance: Array, values: Values) -> Passed:
        """Run the filter forth and back; full readings join what it found."""
        path, at, full = self._model(values), self._places, self.censored(data)
        own = np.broadcast_to(self.noise.own(prediction, variance, values), np.shape(data))
        known = np.where(full, np.nan, data) - prediction
        found = self._known(path, known, own)
        if not full.any():
            return found
        self._check_tied()
        paths = PathCovariance(path)
        with self._solving():
            return beyond(found, self._error(data, prediction), full, self._groups(paths, own), paths, at)

    def _check_tied(self) -> None:
        """Refuse full readings among more than one matrix of all allows."""
        count = len(self.time)
        if self._common and count > MOST:
            given = f"{self.quantity}: {count} readings with an error of the background, some at saturation"
            hint = 'background_sd = 0, or filter: `mscale assimilate` with filter = "laplace"'
            raise InputError(explain(given, f"{MOST} readings, or none at saturation", hint))

    @contextmanager
    def _solving(self) -> Iterator[None]:
        """Say of which readings a covariance is that cannot be solved: a failure here, no end of a run."""
        try:
            yield
        except np.linalg.LinAlgError as error:
            reason = f"the covariance of full readings is not positive definite, within round-off ({error})"
            raise SolveFailed(self.quantity, {}, reason) from error

    def _known(self, path: Path, error: Array, own: Array) -> Passed:
        at = self._places
        if self._common:
            return together(path, *at, error, own, self._common)
        errors, r = np.full(self._shape, np.nan), np.ones(self._shape)
        errors[at], r[at] = error, own
        rows, to = np.zeros((4, *self._shape)), Path(*(np.zeros_like(part) for part in path))
        followed_adjoint(errors, r, path.slope, path.F, path.Q, *rows, to.slope, to.F, to.Q)
        logs, precision, to_error, to_own = (part[at] for part in rows)
        return Passed(logs, precision, to_error, to_own, to)

    def _error(self, data: Array, prediction: Array) -> Array:
        """Return reading minus expectation, of a full one its bound."""
        return np.where(self.censored(data), self._saturation, data) - prediction
