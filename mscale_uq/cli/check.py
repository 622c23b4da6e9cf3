"""What `mscale check` looks at, before anybody waits for draws."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from mscale_uq.case.awaited import Awaited
from mscale_uq.case.bare import bare_numbers
from mscale_uq.case.better import Approximating
from mscale_uq.case.model import Plan
from mscale_uq.case.read import Case
from mscale_uq.cli.shell import Finding
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.system import System
from mscale_uq.diagnose.coherence import units_fit_together
from mscale_uq.diagnose.contracts import CONTRACTS, ContractBroken, units_are_consistent
from mscale_uq.diagnose.cost import cost
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.diagnose.identifiability import identifiability
from mscale_uq.diagnose.identifiability_text import lines
from mscale_uq.errors import CaseError, ForwardFailure, NoGradient, explain
from mscale_uq.io.units import dimension, size
from mscale_uq.run.assimilate import check_laws
from mscale_uq.run.complete import check_apart
from mscale_uq.run.filtered_only import goes_without
from mscale_uq.run.model_error import expected_error
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.predictive import predict

PRIOR_DRAWS = 200
MOST_BARE = 8  # numbers told one by one


def check_system(system: System) -> Iterator[Finding]:
    """Hold a system to every promise, and time it."""
    for name, contract in CONTRACTS.items():
        yield _promised(name, partial(contract, system))
    yield _units(system)
    yield from _no_filter(system)
    model = system.forward()
    try:
        yield from _timing("model at its defaults", model, model.theta())
    except ForwardFailure as failure:
        yield Finding(False, "cost of the model at its defaults", _nowhere(failure))


def _promised(what: str, promise: Callable[[], str]) -> Finding:
    """Return whether a promise is kept; a model without an answer there does not end the check."""
    try:
        return Finding(True, what, promise())
    except (ContractBroken, NoGradient) as broken:
        return Finding(False, what, str(broken))
    except ForwardFailure as failure:
        return Finding(False, what, _nowhere(failure))


def _nowhere(failure: ForwardFailure) -> str:
    hint = "narrow the limits of its parameters; where nothing exists, let the model raise Infeasible"
    return explain(f"the model has no answer where this was tried: {failure}", hint=hint)


def check_case(case: Case) -> Iterator[Finding]:
    """Look at a case: wiring, units, gradients, cost, and its prior against its data."""
    posterior, rng = case.posterior(), np.random.default_rng(case.seed)
    yield from _wiring(case, posterior)
    yield _units(case.system)
    yield from _filters(case)
    try:
        check_apart(case)
    except CaseError as refusal:
        yield Finding(None, "left to filters", f"{refusal}; nothing that takes a likelihood is judged")
        return
    yield from _experiments(case, posterior, rng)
    if any(plan.awaited for plan in case.plans):
        text = "not judged: the readings come while the case is assimilated"
        yield Finding(None, "prior against data", text)
        return
    if case.approximating is not None:
        yield _learned(case.approximating)
        posterior = expected_error(case, posterior, np.random.default_rng(case.seed))
    yield from prior_against_data(posterior, rng)
    if case.smoothness == "smooth":
        yield from _identified(posterior, rng)
    else:
        text = f"not judged: that takes derivatives, which a {case.smoothness} system has not"
        yield Finding(None, "identifiability", f"{text}; a fit says it, from its draws")


def _wiring(case: Case, posterior: Posterior) -> Iterator[Finding]:
    """Say how much there is to fit, what was read, and how numbers without a unit were taken."""
    count = len(posterior.experiments)
    observed = [data for experiment in posterior.experiments for data in experiment.observed.values()]
    readings = sum(int(np.isfinite(data).sum()) for data in observed)
    counts = f"{count} experiment{'' if count == 1 else 's'}, {readings} readings, {posterior.size} unknowns"
    yield Finding(True, "case and wiring", counts)
    for plan in case.plans:
        for line in plan.said:
            yield Finding(None, f"data of {plan.name}", line)
        if plan.awaited is not None:
            yield from _there(plan.awaited)
    bare = bare_numbers(case)
    if bare:
        more = f" and {len(bare) - MOST_BARE} more" if len(bare) > MOST_BARE else ""
        told = f"{', '.join(bare[:MOST_BARE])}{more}: so they are read"
        yield Finding(None, "numbers without a unit", told)


def _filters(case: Case) -> Iterator[Finding]:
    """Say what only filters follow, and what they do not."""
    for sentence in goes_without(case):
        yield Finding(None, "left to filters", sentence)
    yield from _no_filter(case.system)
    if case.assimilating is not None:
        try:
            check_laws(case, case.assimilating)
        except CaseError as refusal:
            yield Finding(None, "left to fits", str(refusal))


def _no_filter(system: System) -> Iterator[Finding]:
    """Say why `mscale assimilate` cannot follow a system."""
    if system.space is None:
        yield Finding(None, "no filter", system.timeless or "the system declares no state in time (`space`)")


def _there(awaited: Awaited) -> Iterator[Finding]:
    """Say what is in the files that an experiment follows, as far as they are there."""
    found = list(awaited.there())
    for good, text in found:
        yield Finding(None if good else False, f"followed by {awaited.name}", text)
    if not found:
        where = ", ".join(map(str, awaited.patterns))
        yield Finding(None, f"followed by {awaited.name}", f"nothing is there yet: {where}")


def _learned(plan: Approximating) -> Finding:
    more = "" if plan.over == "prior" else "; a fit learns it anew where its posterior is"
    text = f"what follows counts the error against {plan.against} models over {plan.draws} prior draws{more}"
    return Finding(None, "approximation error", text)


def prior_against_data(posterior: Posterior, rng: np.random.Generator) -> Iterator[Finding]:
    """Say where the data lie in what the prior expects; bad if a solver fails at many draws."""
    thetas = np.array([posterior.sample_prior(rng) for _ in range(PRIOR_DRAWS)])
    predictions = predict(posterior, thetas, rng, largest=0)
    gone = {one.row for one in predictions.missed}
    failed = len({one.row for one in predictions.missed if not one.infeasible})
    absent = len(gone) - failed
    inside = seen = 0
    for experiment in posterior.experiments:
        for quantity, data in experiment.observed.items():
            replicated = predictions.replicated[experiment.name, quantity]
            if np.isnan(replicated).all():
                continue
            low, high = np.nanquantile(replicated, [0.025, 0.975], axis=0)
            inside += int(np.sum((data >= low) & (data <= high)))
            seen += int(np.isfinite(data).sum())
    solvers = f"{failed} of {PRIOR_DRAWS} prior draws failed, {absent} were infeasible"
    yield Finding(failed <= 0.01 * PRIOR_DRAWS, "solvers over the prior", solvers)
    if seen:
        text = f"{inside} of {seen} readings lie in the 95 % range that the prior expects"
        yield Finding(2 * inside >= seen, "prior against data", text)


def _units(system: System) -> Finding:
    promises = (units_are_consistent, dimension), (units_fit_together, dimension, size)
    return _promised("units", lambda: "; ".join(promise(system, *of) for promise, *of in promises))


def _experiments(case: Case, posterior: Posterior, rng: np.random.Generator) -> Iterator[Finding]:
    """Check the derivative of every experiment's own model, at a point of the prior."""
    theta = _start(posterior, rng)
    if theta is None:
        yield Finding(False, "prediction", "none of the prior draws has one")
        return
    values = posterior.split(theta)
    for experiment, plan in zip(posterior.experiments, case.plans, strict=True):
        own = _at_reference(case, plan, experiment)
        yield from _gradient(own.name, own.model, own.theta(values), case.smoothness == "smooth", rng)
    first = posterior.experiments[0]
    yield from _timing(f"model of {first.name}", first.model, first.theta(values))
    if case.smoothness == "smooth":
        both = cost(lambda: posterior.log_likelihood(theta), lambda: posterior.log_likelihood_gradient(theta))
        yield Finding(None, "cost of the likelihood", _milliseconds(both.value, both.gradient, both.ratio))


def _at_reference(case: Case, plan: Plan, experiment: Experiment) -> Experiment:
    """Return the experiment with its model exact: what sampling may leave out shows in a remainder."""
    if plan.options.get("accuracy", "reference") == "reference":
        return experiment
    return experiment.changed(model=plan.other_model(case.system, {"accuracy": "reference"}))


def _start(posterior: Posterior, rng: np.random.Generator) -> np.ndarray | None:
    for _ in range(PRIOR_DRAWS):
        theta = posterior.sample_prior(rng)
        try:
            posterior.log_likelihood(theta)
        except ForwardFailure:
            continue
        return theta
    return None


def _gradient(
    name: str, model: ForwardModel, theta: np.ndarray, smooth: bool, rng: np.random.Generator
) -> Iterator[Finding]:
    what = f"gradient, {name}"
    try:
        found = check_gradient(model, theta, rng)
    except NoGradient as refusal:
        yield Finding(not smooth, what, f"none: {refusal}" if smooth else "none, as the system declares")
        return
    text = str(found)
    if model.slope_error:
        text += f"; each value chooses its own steps, so it is exact to {model.slope_error:.0e} of itself"
    yield Finding(found.ok, what, text)


def _timing(what: str, model: ForwardModel, theta: np.ndarray) -> Iterator[Finding]:
    weight = np.ones_like(model.value(theta))
    try:
        both = cost(lambda: model.value(theta), lambda: model.linearize(theta)[1].vjp(weight))
    except NoGradient:
        once = cost(lambda: model.value(theta), lambda: None)
        yield Finding(None, f"cost of the {what}", f"{1e3 * once.value:.3g} ms a value, no gradient")
        return
    yield Finding(None, f"cost of the {what}", _milliseconds(both.value, both.gradient, both.ratio))


def _milliseconds(value: float, gradient: float, ratio: float) -> str:
    return f"value {1e3 * value:.3g} ms, with gradient {1e3 * gradient:.3g} ms: {ratio:.2f} times"


def _identified(posterior: Posterior, rng: np.random.Generator) -> Iterator[Finding]:
    try:
        said = lines(identifiability(posterior, rng))
    except NoGradient as refusal:
        yield Finding(False, "identifiability", str(refusal))
        return
    for line in said:
        yield Finding(None, "", line)
