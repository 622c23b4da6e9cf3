"""`fit`: from a case to a finished run in a folder, going on where an earlier call stopped."""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import numpy as np

from mscale_uq.case.read import Case, read_case
from mscale_uq.catalog import find_case, summaries
from mscale_uq.core.map import Map
from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.approximation_rounds import Round
from mscale_uq.infer.ledger import PREDICTION, Failure
from mscale_uq.infer.methods import METHODS
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.shear import coordinates_said
from mscale_uq.infer.workers import maybe_workers
from mscale_uq.report.page import write_report
from mscale_uq.results.idata import inference_data
from mscale_uq.results.result import Result, is_finished, read_result, write_result
from mscale_uq.run.choice import decide
from mscale_uq.run.complete import check_density
from mscale_uq.run.filtered_only import goes_without
from mscale_uq.run.folder import CHAINS, PROGRESS, prepare
from mscale_uq.run.memory import held
from mscale_uq.run.method import settings_of
from mscale_uq.run.missed import counted, learned_rows, ledger_rows, rows_without
from mscale_uq.run.model_error import (
    Learning,
    checked_scale,
    few_draws,
    learned_facts,
    sampled_without,
    scale_facts,
)
from mscale_uq.run.surrogate import draw
from mscale_uq.run.told import told_facts
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.predictive import Predictions, predict

PRIOR_DRAWS = 1000
PRIOR_PREDICTIONS = 300  # for the prior of effective quantities, if each takes less than PATIENCE
BEFORE = "prediction from the prior"
PATIENCE = 0.02  # seconds of processor time
# Random numbers of what is not a chain; chains have the spawn keys (0,), (1,), ...
PRIOR_KEY, PREDICTION_KEY, PRIOR_PREDICTION_KEY = (2**32 - 1,), (2**32 - 2,), (2**32 - 3,)

# (chain, draw, whether it is a tuning draw, statistics)
OnProgress = Callable[[int, int, bool, Mapping[str, float]], None]


def fit(
    case: Case | str | Path,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    on_progress: OnProgress | None = None,
    predictions: int = 400,
    workers: int | None = None,
    dask: str | None = None,
    **changes: Any,
) -> Result:
    """Calibrate a case and return the finished run; the same call again returns it at once.

    More draws extend a run; a run that has more draws than are asked for is returned as it is.

    Parameters
    ----------
    case
        A case, its file, or a shipped name.
    out
        Folder of the run; ``runs/<case>`` if not said.
    fresh
        Start over, forgetting what the folder holds.
    on_progress
        Called a few times a second with chain, draw, whether it is a tuning draw, and statistics.
    predictions
        Largest number of thinned draws at which every quantity is predicted.
    workers, dask
        Processes of this machine, or the address of a dask scheduler, for what knows no order: building and
        weighing a surrogate, the particles of SMC (its chains then come one after another), predictions,
        resolved and finer models. Other chains are processes of this machine; see `cores`.
    changes
        Other values for the case's method: sampler, draws, tune, chains, cores, target_accept, coordinates;
        or seed.

    Raises
    ------
    CaseError, DataError, UnitError
        If the case is wrong.
    RunError
        If the folder holds another run; nothing in it is changed then.
    """
    if not isinstance(case, Case):
        case = read_case(find_case(case))
    check_density(case)
    folder = Path(out) if out is not None else Path("runs") / case.name
    with maybe_workers(workers, dask) as mapping:
        case, why = decide(case, changes, folder, fresh, mapping)
        prepare(folder, case, fresh, why)
        if not is_finished(folder, case.method.draws, case.method.chains):
            _run(case, folder, on_progress, predictions, why, mapping)
    result = read_result(folder)
    write_report(result)
    return result


def _run(
    case: Case,
    folder: Path,
    on_progress: OnProgress | None,
    predictions: int,
    why: str,
    mapping: Map | None,
) -> None:
    """Draw, predict, and write the numbers."""
    settings, many = settings_of(case), mapping or map
    with ProgressFile(folder / PROGRESS, settings.cores, on_progress) as tell:
        posterior, rounds = Learning(case, settings, folder, tell, many).corrected(case.posterior())
        samples, said = draw(case, posterior, settings, folder / CHAINS, tell, mapping)
        without = sampled_without(case, posterior, settings, folder, tell)
    done = Sampled(posterior, rounds, samples, without, said, why)
    _finish(folder, case, settings, done, predictions, many)


@final
@dataclass(frozen=True)
class Sampled:
    """What was sampled.

    Attributes
    ----------
    posterior
        With the learned errors in its laws.
    rounds
        In which they were learned.
    samples, without
        Draws from it, and from the same without any model error, if it has one.
    said
        What there is to say of a surrogate, if one was used.
    why
        Why this sampler; empty if it was asked for.
    """

    posterior: Posterior
    rounds: tuple[Round, ...]
    samples: Samples
    without: Samples | None
    said: dict[str, Any] | None = None
    why: str = ""

    @property
    def failures(self) -> list[Failure]:
        """The failure ledger of everything that was run before there were draws."""
        rounds = learned_rows(self.rounds)
        return [*self.samples.failures, *rows_without(self.without), *rounds]


def _finish(folder: Path, case: Case, settings: Settings, done: Sampled, limit: int, mapping: Map) -> None:
    """Predict at thinned draws and write the numbers."""
    posterior, samples = done.posterior, done.samples
    length = next(iter(samples.draws.values())).shape[1]
    every = max(1, int(np.ceil(settings.chains * length / limit)))
    kept = np.arange(0, length, every)
    thetas = _thetas(posterior, samples, kept)
    predictions = predict(posterior, thetas, _generator(case.seed, PREDICTION_KEY), map=mapping)
    rng = _generator(case.seed, PRIOR_KEY)
    prior = np.array([posterior.sample_prior(rng) for _ in range(PRIOR_DRAWS)])
    quick = bool(predictions.made) and _seconds(posterior, thetas[0]) < PATIENCE
    before = _before(posterior, prior[: PRIOR_PREDICTIONS if quick else 0], case.seed, mapping)
    few = few_draws(case, len(thetas))
    scale = checked_scale(case, posterior, thetas[few], mapping)
    facts = _facts(case, settings, samples)
    facts["coordinates"] = coordinates_said(posterior, settings)
    facts["surrogate"] = done.said
    facts["chosen"] = f"{settings.sampler} was chosen: {done.why}" if done.why else ""
    facts["goes_without"] = goes_without(case)
    facts["model_error"] = sorted(case.discrepancies)
    facts["approximation"] = learned_facts(case, done.rounds)
    facts["scale"] = scale_facts(case, scale)
    facts |= told_facts(case, posterior, samples)
    facts["thinned"] = f"{len(thetas)} of {settings.chains * length} draws"
    facts["missed"] = [
        *counted(PREDICTION, predictions.missed, len(thetas)),
        *counted(BEFORE, before.missed, PRIOR_PREDICTIONS),
    ]
    data = inference_data(case, samples, kept, predictions, prior, before.made, facts, done.without)
    places = [(chain, int(draw)) for chain in range(settings.chains) for draw in kept]
    later = [
        *ledger_rows(PREDICTION, predictions.missed, places),
        *ledger_rows("scale check", scale.missed if scale else (), [places[row] for row in few]),
        *ledger_rows(BEFORE, before.missed),
    ]
    write_result(folder, data, [*done.failures, *later], posterior.names)


def _seconds(posterior: Posterior, theta: Array) -> float:
    """Return the processor time of one prediction, here, once all is warm."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        predict(posterior, theta, _generator(0, PREDICTION_KEY))
        taken.append(time.process_time() - start)
    return min(taken)


def _before(posterior: Posterior, thetas: Array, seed: int, mapping: Map) -> Predictions:
    """Predict at draws of the prior, far-out ones among them."""
    return predict(posterior, thetas, _generator(seed, PRIOR_PREDICTION_KEY), map=mapping)


def _thetas(posterior: Posterior, samples: Samples, kept: np.ndarray) -> Array:
    """Return the kept draws of all chains as ``(draws, n)``, chain by chain."""
    chains = next(iter(samples.draws.values())).shape[0]
    return np.array(
        [
            posterior.pack({name: array[chain, draw] for name, array in samples.draws.items()})
            for chain in range(chains)
            for draw in kept
        ]
    )


def _generator(seed: int, key: tuple[int, ...]) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _facts(case: Case, settings: Settings, samples: Samples) -> dict[str, Any]:
    """Return what is known about the run, as plain numbers and words."""
    evidence = samples.log_evidence
    return {
        "case": case.name,
        "question": case.question,
        "system": case.system.name,
        "summary": summaries()[case.system.name],
        "experiments": [plan.name for plan in case.plans],
        "sampler": samples.sampler,
        "settings": {name: getattr(settings, name) for name in ("draws", "tune", "chains", "target_accept")},
        "seed": case.seed,
        "hash": case.hash,
        "single": METHODS[samples.sampler].single,
        "tunes": METHODS[samples.sampler].tunes,
        "diverges": "diverging" in METHODS[samples.sampler].stats,
        "failures": len(samples.failures),
        "requests": int(np.sum(samples.requests)),
        "evaluations": int(np.sum(samples.evaluations)),
        "infeasible": int(np.sum(samples.infeasible)),
        "seconds": [round(float(seconds), 3) for seconds in samples.seconds],
        "log_evidence": None if evidence is None else [float(value) for value in evidence],
        "troubles": list(samples.troubles),
        "versions": {name: version(name) for name in ("mscale_uq", "numpy", "scipy", "pymc", "arviz")},
    }


@final
class ProgressFile:
    """Writes a line of ``progress.jsonl`` at most once a second, and passes every report on.

    A line holds the time (s since 1970), seconds since the call, cores in use, main memory (bytes), chain,
    draw, whether it is a tuning draw, and the sampler's statistics.
    """

    def __init__(self, path: Path, cores: int, on_progress: OnProgress | None) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._cores = max(1, cores)
        self._began = time.monotonic()
        self._pass_on = on_progress
        self._last = 0.0

    def __call__(self, chain: int, draw: int, tuning: bool, stats: Mapping[str, float]) -> None:
        """Take one report."""
        if time.monotonic() - self._last >= 1.0:
            self._last = time.monotonic()
            known = {name: value for name, value in stats.items() if math.isfinite(value)}
            used = {"seconds": round(self._last - self._began, 3), "cores": self._cores, "memory": held()}
            place = {"chain": chain, "draw": draw, "tuning": tuning}
            line = {"time": time.time(), **used, **place, **known}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        if self._pass_on is not None:
            self._pass_on(chain, draw, tuning, stats)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
