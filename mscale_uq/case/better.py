"""Other models of the same readings: better ones to learn an error from, cheaper ones to look ahead with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, final

from mscale_uq.case.model import Plan, option_value
from mscale_uq.case.schema import ApproximationSpec, MethodSpec, ScaleSpec
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.system import Option, System
from mscale_uq.diagnose.differences import Good
from mscale_uq.diagnose.resolved import resolved_model
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.methods import check_tuning
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.posterior import Posterior

SUBCHAIN = 5  # steps on a coarse level for one on the next, if the case does not say
ROUNDS = {"prior": 1, "posterior": 2}  # if the case does not say


@final
@dataclass(frozen=True)
class Approximating:
    """How the error of the used models is learned.

    Attributes
    ----------
    against
        ``resolved`` (the system's resolved solver) or ``finer`` (its own model with other options).
    changes
        Options of the better models, one table for each; they are equally likely.
    over
        ``prior``, or ``posterior``: after a first round over the prior, each round over the posterior of the
        one before.
    draws, rounds
        Draws in a round, and number of rounds.
    """

    against: str
    changes: tuple[Mapping[str, Any], ...]
    over: str
    draws: int
    rounds: int

    def good(self, system: System, plans: Sequence[Plan]) -> Good:
        """Return the better models of every experiment."""
        make = resolved if self.against == "resolved" else _finer
        return {plan.name: [make(system, plan, change) for change in self.changes] for plan in plans}

    def section(self) -> dict[str, Any]:
        """Return the section of a case that says the same."""
        return {
            "against": self.against,
            "options": [dict(change) for change in self.changes],
            "over": self.over,
            "draws": self.draws,
            "rounds": self.rounds,
        }


@final
@dataclass(frozen=True)
class Scale:
    """How the homogenised models are judged after sampling.

    Attributes
    ----------
    changes
        Settings of the resolved solver, one table for each; they are equally likely.
    draws
        Number of posterior draws at which it is solved.
    learned
        Whether the difference to these very solvers is in the likelihood.
    """

    changes: tuple[Mapping[str, Any], ...] = ({},)
    draws: int = 5
    learned: bool = False

    def good(self, system: System, plans: Sequence[Plan]) -> Good:
        """Return the resolved models of every experiment."""
        return {plan.name: [resolved(system, plan, change) for change in self.changes] for plan in plans}


def resolved(system: System, plan: Plan, changes: Mapping[str, Any]) -> ForwardModel:
    """Return the resolved model of an experiment; raises `InputError` if there is none."""
    settings = {**plan.arguments, **plan.data.coordinates, **changes}
    return resolved_model(system, plan.model, **settings)


def _finer(system: System, plan: Plan, changes: Mapping[str, Any]) -> ForwardModel:
    return plan.other_model(system, changes)


def plan_approximation(
    spec: ApproximationSpec | None, system: System, plans: Sequence[Plan], mistakes: Mistakes
) -> Approximating | None:
    """Return how the error is learned, None if the case asks for none; mistakes are noted."""
    if spec is None:
        return None
    before = len(mistakes)
    if spec.against == "finer":
        checked = changed_options(spec.options, system, "approximation_error.options", mistakes)
    else:
        checked = _settings(spec.options, system, "approximation_error.options", mistakes)
    rounds = ROUNDS[spec.over] if spec.rounds is None else spec.rounds
    if (spec.over == "prior") != (rounds == 1):
        allowed = "1 over the prior; 2 or more over the posterior, of which the first is over the prior"
        mistakes.add("approximation_error.rounds", explain(f"{rounds} over the {spec.over}", allowed))
    for plan in plans:
        with mistakes.at("approximation_error"):
            _check_laws(plan)
    if len(mistakes) > before:
        return None
    found = Approximating(spec.against, checked, spec.over, spec.draws, rounds)
    with mistakes.at("approximation_error"):
        found.good(system, plans)
    return found


def plan_scale(
    spec: ScaleSpec | None,
    learning: Approximating | None,
    system: System,
    plans: Sequence[Plan],
    mistakes: Mistakes,
) -> Scale | None:
    """Return how the models are judged, None if the system has no resolved one; mistakes are noted."""
    learned = learning.changes if learning is not None and learning.against == "resolved" else ()
    if spec is None and system.resolved is None:
        return None
    if spec is None or "options" not in spec.model_fields_set:
        found = Scale(learned or ({},), Scale.draws if spec is None else spec.draws, bool(learned))
    else:
        checked = _settings(spec.options, system, "scale_check.options", mistakes)
        found = Scale(checked, spec.draws, checked == learned)
    with mistakes.at("scale_check"):
        found.good(system, plans)
    return found


def check_stretches(system: System) -> None:
    """Refuse sampler `surrogate` for a system that does not say what a polynomial may stand for.

    Raises
    ------
    CaseError
        With what helps.
    """
    if not system.stretches:
        given = f"sampler 'surrogate': {system.name} declares no stretch that a polynomial may stand for"
        hint = "leave the sampler out, or declare `stretches` as models/reference/inclusions.py does"
        raise CaseError(explain(given, hint=hint))


def plan_levels(method: MethodSpec, system: System, mistakes: Mistakes) -> None:
    """Note a sampler that the system is not made for, or without tuning, and mistaken levels of `mlda`."""
    if method.sampler != "auto":
        with mistakes.at("method.tune"):
            check_tuning(method.sampler, method.tune)
    if method.sampler == "mlda" and not method.levels:
        hint = "levels = [{ elements = 8 }], the coarsest first"
        mistakes.add(
            "method.levels", explain("sampler 'mlda' with one level only", "a list of options", hint)
        )
    if method.sampler == "surrogate":
        with mistakes.at("method.sampler"):
            check_stretches(system)
    for key in ("levels", "subchain"):
        if method.sampler != "mlda" and getattr(method, key) is not None:
            given = f"{key} of sampler {method.sampler!r}"
            mistakes.add(f"method.{key}", explain(given, "with sampler = 'mlda'"))
    if method.levels:
        changed_options(method.levels, system, "method.levels", mistakes)


def with_levels(method: MethodSpec, system: System, plans: Sequence[Plan], posterior: Posterior) -> Levels:
    """Return a posterior with the coarse levels a case names, the coarsest first."""
    coarse = []
    for table in method.levels or []:
        changes = {name: option_value(system, name, value) for name, value in table.items()}
        experiments = [
            one.changed(model=plan.other_model(system, changes))
            for one, plan in zip(posterior.experiments, plans, strict=True)
        ]
        coarse.append(posterior.changed(experiments))
    return Levels(posterior, coarse, method.subchain or SUBCHAIN)


def changed_options(
    given: Sequence[Mapping[str, Any]], system: System, key: str, mistakes: Mistakes
) -> tuple[dict[str, Any], ...]:
    """Return tables of options in their own units and types; a table that changes nothing is a mistake."""
    tables: list[dict[str, Any]] = []
    for table in given:
        tables.append({})
        if not table:
            names = ", ".join(option.name for option in system.options) or "none: it has no options"
            mistakes.add(key, explain("no option is changed", names, "options = { elements = 256 }"))
        for name, value in table.items():
            with mistakes.at(f"{key}.{name}"):
                tables[-1][name] = option_value(system, name, value)
    return tuple(tables)


def _settings(
    given: Sequence[Mapping[str, Any]], system: System, key: str, mistakes: Mistakes
) -> tuple[dict[str, Any], ...]:
    """Return tables of settings of the resolved solver, checked."""
    tables: list[dict[str, Any]] = []
    for table in given:
        tables.append({})
        for name, value in table.items():
            with mistakes.at(f"{key}.{name}"):
                tables[-1][name] = _setting(system, name, value)
    return tuple(tables)


def _setting(system: System, name: str, value: Any) -> Any:
    """Return an option of the system, or a setting of its resolved solver alone, checked by its default."""
    own = signature(system.resolved).parameters if system.resolved else {}
    options = [option.name for option in system.options]
    if name in options:
        return option_value(system, name, value)
    if name not in own:
        known = [*options, *list(own)[1:]]
        raise CaseError(explain(f"no setting {name!r}{near_match(name, known)}", ", ".join(known)))
    return Option(name, own[name].default).check(value)


def _check_laws(plan: Plan) -> None:
    for quantity, operator in plan.operators.items():
        noise = getattr(operator.law, "noise", operator.law)
        if not isinstance(noise, Gaussian):
            given = f"{quantity}: an approximation error with a {type(noise).__name__} law"
            raise CaseError(explain(given, "a gaussian law"))
