"""What models miss, in a run: learned before sampling, left out for comparison, and measured afterwards."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np

from mscale_uq.case.better import with_levels
from mscale_uq.case.read import Case
from mscale_uq.core.map import Map
from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.approximation_rounds import Round, error_in_rounds, learn_error
from mscale_uq.diagnose.model_error import has_model_error, with_approximation, without_model_error
from mscale_uq.diagnose.scale_check import ScaleCheck, scale_check
from mscale_uq.files import replace as write_whole
from mscale_uq.infer.chains import OnProgress, sample
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.methods import METHODS
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings
from mscale_uq.observe.approximation import ApproximationError
from mscale_uq.run.folder import BESIDE, LEARNED, ROUNDS
from mscale_uq.stats.missed import Missed
from mscale_uq.stats.posterior import Posterior

LEAST, MOST = 100, 250  # draws of a chain: between two rounds, and without model error
ROUND_KEY, BESIDE_KEY = 2**32 - 4, 2**32 - 5  # of random numbers


@final
@dataclass(frozen=True)
class Learning:
    """Learns the error of the used models, in a run's folder; what is finished there is not done again.

    Attributes
    ----------
    case, settings, folder, tell
        Of the run.
    mapping
        Runs the better models.
    """

    case: Case
    settings: Settings
    folder: Path
    tell: OnProgress | None = None
    mapping: Map = map

    def corrected(self, posterior: Posterior) -> tuple[Posterior, tuple[Round, ...]]:
        """Return the posterior with the learned error in its laws, and how each round came out.

        Raises
        ------
        InputError
            If fewer than two draws of a round have a prediction of both models.
        """
        plan = self.case.approximating
        if plan is None:
            return posterior, ()
        rounds = self._finished()
        if not rounds:
            good = plan.good(self.case.system, self.case.plans)
            rng = np.random.default_rng(np.random.SeedSequence(self.case.seed, spawn_key=(ROUND_KEY,)))
            how = (plan.rounds, plan.draws, rng, self.mapping)
            rounds = error_in_rounds(posterior, good, self._between, *how).rounds
            self._keep(rounds)
        return with_approximation(posterior, rounds[-1].errors), rounds

    def _between(self, posterior: Posterior, count: int, rng: np.random.Generator) -> Array:
        """Draw from the posterior of the round before, by the run's own sampler."""
        number = int(rng.integers(2**31))
        draws = max(LEAST, math.ceil(count / self.settings.chains))
        beside = _beside(self.settings, draws, number)
        home, identity = self.folder / ROUNDS / str(number), f"{self.case.hash} round {number}"
        found = sample(target(self.case, posterior), beside, home, identity, self.tell)
        thetas = flat(posterior, found)
        return thetas[np.linspace(0, len(thetas) - 1, count).astype(int)]

    def _finished(self) -> tuple[Round, ...]:
        """Return the rounds that this very case has learned already."""
        try:
            content = json.loads((self.folder / LEARNED).read_text(encoding="utf-8"))
            if content["identity"] == self.case.hash:
                return tuple(map(_read, content["rounds"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not there, or not whole: the same seed learns the same again
        return ()

    def _keep(self, rounds: tuple[Round, ...]) -> None:
        content = {"identity": self.case.hash, "rounds": list(map(_written, rounds))}
        write_whole(self.folder / LEARNED, json.dumps(content).encode())


def target(case: Case, posterior: Posterior) -> Posterior | Levels:
    """Return what the case's sampler draws from: the posterior, and its coarse levels if it has them."""
    if case.method.sampler != "mlda":
        return posterior
    return with_levels(case.method, case.system, case.plans, posterior)


def expected_error(case: Case, posterior: Posterior, rng: np.random.Generator) -> Posterior:
    """Return the posterior with the error of the used models over prior draws in its laws, if it has one.

    That is the first round of a fit, and the only one before there are draws.

    Raises
    ------
    InputError
        If fewer than two draws have a prediction of both models.
    """
    plan = case.approximating
    if plan is None:
        return posterior
    thetas = np.array([posterior.sample_prior(rng) for _ in range(plan.draws)])
    return with_approximation(
        posterior, learn_error(posterior, plan.good(case.system, case.plans), thetas).errors
    )


def sampled_without(
    case: Case, posterior: Posterior, settings: Settings, folder: Path, tell: OnProgress | None
) -> Samples | None:
    """Return a shorter run of the same data as if the models were perfect, None if nothing would change."""
    if not has_model_error(posterior) or METHODS[settings.sampler].single:
        return None
    sequence = np.random.SeedSequence(case.seed, spawn_key=(BESIDE_KEY,))
    beside = _beside(settings, min(settings.draws, MOST), int(sequence.generate_state(1)[0]))
    plain = without_model_error(posterior)
    return sample(target(case, plain), beside, folder / BESIDE, f"{case.hash} {BESIDE}", tell)


def few_draws(case: Case, count: int) -> np.ndarray:
    """Return at which of `count` draws the resolved model is run; at none without a scale check."""
    draws = case.scale.draws if case.scale else 0
    return np.unique(np.linspace(0, count - 1, draws).astype(int))  # each once, though fewer were kept


def checked_scale(case: Case, posterior: Posterior, few: Array, mapping: Map = map) -> ScaleCheck | None:
    """Return what the resolved model says at a few draws ``(draws, n)``, None if the case does not ask."""
    if case.scale is None:
        return None
    return scale_check(posterior, case.scale.good(case.system, case.plans), few, mapping)


def scale_facts(case: Case, check: ScaleCheck | None) -> dict[str, Any] | None:
    """Return the outcome of a scale check in words, None if there is none."""
    if case.scale is None or check is None:
        return None
    learned = case.scale.learned
    return {"lines": check.lines(learned), "good": check.ok or learned, "learned": learned}


def learned_facts(case: Case, rounds: tuple[Round, ...]) -> dict[str, Any] | None:
    """Return what was learned of the models' error, None if nothing was."""
    if case.approximating is None:
        return None
    places = [
        {
            "experiment": experiment,
            "quantity": quantity,
            "unit": case.system.output(quantity).unit,
            "mean": float(np.max(np.abs(error.mean))),
            "sd": float(np.sqrt(np.max(np.diag(error.covariance)))),
            "draws": error.draws,
        }
        for (experiment, quantity), error in rounds[-1].errors.items()
    ]
    plan = case.approximating
    return {
        "against": plan.against,
        "over": plan.over,
        "rounds": len(rounds),
        "failed": sum(len(one.missed) for one in rounds),
        "places": places,
    }


def flat(posterior: Posterior, samples: Samples) -> Array:
    """Return the draws of all chains ``(draws, n)``, chain by chain."""
    parts = [
        array.reshape(array.shape[0] * array.shape[1], -1)
        for array in (samples.draws[name] for name in posterior.variables)
    ]
    return np.concatenate(parts, axis=1)


def _beside(settings: Settings, draws: int, seed: int) -> Settings:
    # An optimum has no spread to learn over; the normal law around it has. A short run pays for no surrogate.
    method, sampler = METHODS[settings.sampler], settings.sampler
    sampler = "laplace" if method.single else "nuts" if method.composed else sampler
    return replace(settings, sampler=sampler, draws=draws, seed=seed)


def _written(one: Round) -> dict[str, Any]:
    errors = [
        {
            "place": list(place),
            "mean": error.mean.tolist(),
            "covariance": error.covariance.tolist(),
            "draws": error.draws,
        }
        for place, error in one.errors.items()
    ]
    return {"missed": [asdict(row) for row in one.missed], "errors": errors}


def _read(content: Mapping[str, Any]) -> Round:
    errors = {
        (one["place"][0], one["place"][1]): ApproximationError(one["mean"], one["covariance"], one["draws"])
        for one in content["errors"]
    }
    missed = (Missed(**{**row, "theta": tuple(row["theta"])}) for row in content["missed"])
    return Round(errors, tuple(missed))
