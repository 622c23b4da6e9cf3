"""The numbers of a run that has its draws: what is predicted at some of them, what is known, what failed."""

import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np

from mscale_uq.case.read import Case
from mscale_uq.catalog import summaries
from mscale_uq.core.map import Map
from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.approximation_rounds import Round
from mscale_uq.diagnose.scale_check import ScaleCheck
from mscale_uq.infer.ledger import PREDICTION, Failure
from mscale_uq.infer.methods import METHODS
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.shear import coordinates_said
from mscale_uq.results.idata import inference_data
from mscale_uq.results.result import write_result
from mscale_uq.run.filtered_only import goes_without
from mscale_uq.run.missed import counted, learned_rows, ledger_rows, rows_without
from mscale_uq.run.model_error import checked_scale, few_draws, learned_facts, scale_facts
from mscale_uq.run.told import told_facts
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.predictive import Predictions, predict

PRIOR_DRAWS = 1000
PRIOR_PREDICTIONS = 300  # for the prior of effective quantities, if each takes less than PATIENCE
BEFORE = "prediction from the prior"
PATIENCE = 0.02  # seconds of processor time
# Random numbers of what is not a chain; chains have the spawn keys (0,), (1,), ...
PRIOR_KEY, PREDICTION_KEY, PRIOR_PREDICTION_KEY = (2**32 - 1,), (2**32 - 2,), (2**32 - 3,)


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


@final
@dataclass(frozen=True)
class Predicted:
    """What was predicted once there were draws.

    Attributes
    ----------
    kept
        Numbers of the thinned draws, the same in every chain.
    places
        Chain and number of every draw at which there are predictions.
    predictions
        At these draws, chain by chain.
    prior
        Draws of the prior ``(draws, n)``.
    before
        Predictions at the first of them; at none where each takes too long.
    few, scale
        At which of `places` the resolved model was run, and what it says; None if the case does not ask.
    """

    kept: np.ndarray
    places: list[tuple[int, int]]
    predictions: Predictions
    prior: Array
    before: Predictions
    few: np.ndarray
    scale: ScaleCheck | None

    @property
    def failures(self) -> list[Failure]:
        """The rows of the failure ledger."""
        scale = self.scale.missed if self.scale else ()
        return [
            *ledger_rows(PREDICTION, self.predictions.missed, self.places),
            *ledger_rows("scale check", scale, [self.places[row] for row in self.few]),
            *ledger_rows(BEFORE, self.before.missed),
        ]


def finish(folder: Path, case: Case, settings: Settings, done: Sampled, limit: int, mapping: Map) -> None:
    """Predict at no more than `limit` thinned draws, and write the numbers of a run into its folder."""
    found = _predicted(case, settings, done, limit, mapping)
    facts = {
        **_sampling_facts(case, settings, done),
        **_model_facts(case, done, found),
        **told_facts(case, done.posterior, done.samples),
    }
    made = found.kept, found.predictions, found.prior, found.before.made
    data = inference_data(case, done.samples, *made, facts, done.without)
    write_result(folder, data, [*done.failures, *found.failures], done.posterior.names)


def _predicted(case: Case, settings: Settings, done: Sampled, limit: int, mapping: Map) -> Predicted:
    posterior, length = done.posterior, next(iter(done.samples.draws.values())).shape[1]
    kept = np.arange(0, length, max(1, int(np.ceil(settings.chains * length / limit))))
    thetas = _thetas(posterior, done.samples, kept)
    few = few_draws(case, len(thetas))
    predictions = predict(posterior, thetas, _generator(case.seed, PREDICTION_KEY), map=mapping)
    rng = _generator(case.seed, PRIOR_KEY)
    prior = np.array([posterior.sample_prior(rng) for _ in range(PRIOR_DRAWS)])
    early = prior[: PRIOR_PREDICTIONS if predictions.made and _is_quick(posterior, thetas[0]) else 0]
    return Predicted(
        kept,
        [(chain, int(draw)) for chain in range(settings.chains) for draw in kept],
        predictions,
        prior,
        predict(posterior, early, _generator(case.seed, PRIOR_PREDICTION_KEY), map=mapping),
        few,
        checked_scale(case, posterior, thetas[few], mapping),
    )


def _is_quick(posterior: Posterior, theta: Array) -> bool:
    """Whether a prediction takes little processor time here; what is not yet warm has a second try."""

    def taken() -> float:
        start = time.process_time()
        predict(posterior, theta, _generator(0, PREDICTION_KEY))
        return time.process_time() - start

    return any(taken() < PATIENCE for _ in range(2))


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


def _sampling_facts(case: Case, settings: Settings, done: Sampled) -> dict[str, Any]:
    """Return what is known about the draws, as plain numbers and words."""
    samples, method = done.samples, METHODS[done.samples.sampler]
    evidence = samples.log_evidence
    return {
        "sampler": samples.sampler,
        "settings": {name: getattr(settings, name) for name in ("draws", "tune", "chains", "target_accept")},
        "coordinates": coordinates_said(done.posterior, settings),
        "surrogate": done.said,
        "chosen": f"{settings.sampler} was chosen: {done.why}" if done.why else "",
        "seed": case.seed,
        "single": method.single,
        "tunes": method.tunes,
        "diverges": "diverging" in method.stats,
        "failures": len(samples.failures),
        "requests": int(np.sum(samples.requests)),
        "evaluations": int(np.sum(samples.evaluations)),
        "infeasible": int(np.sum(samples.infeasible)),
        "seconds": [round(float(seconds), 3) for seconds in samples.seconds],
        "log_evidence": None if evidence is None else [float(value) for value in evidence],
        "troubles": list(samples.troubles),
        "versions": {name: version(name) for name in ("mscale_uq", "numpy", "scipy", "pymc", "arviz")},
    }


def _model_facts(case: Case, done: Sampled, found: Predicted) -> dict[str, Any]:
    """Return what is known about the case and what its models miss, as plain numbers and words."""
    draws = len(found.places)
    every = next(iter(done.samples.draws.values())).shape[:2]
    return {
        "case": case.name,
        "question": case.question,
        "system": case.system.name,
        "summary": summaries()[case.system.name],
        "experiments": [plan.name for plan in case.plans],
        "hash": case.hash,
        "goes_without": goes_without(case),
        "model_error": sorted(case.discrepancies),
        "approximation": learned_facts(case, done.rounds),
        "scale": scale_facts(case, found.scale),
        "thinned": f"{draws} of {every[0] * every[1]} draws",
        "missed": [
            *counted(PREDICTION, found.predictions.missed, draws),
            *counted(BEFORE, found.before.missed, PRIOR_PREDICTIONS),
        ],
    }
