"""`Case`: a TOML file that says which system, data, priors and method make one calibration.

Every mistake in the file is reported at once, with its key, what is allowed, and the nearest match.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from mscale_uq.case.assimilate import Assimilating
from mscale_uq.case.better import Approximating, Scale, plan_approximation, plan_levels, plan_scale
from mscale_uq.case.discrepancy import Discrepancy, plan_discrepancies
from mscale_uq.case.expect import Expected, expected_numbers
from mscale_uq.case.form import check_form
from mscale_uq.case.in_time import plan_in_time
from mscale_uq.case.live import Live
from mscale_uq.case.model import Plan, plan_experiments
from mscale_uq.case.priors import Unknown, bindings, unknowns
from mscale_uq.case.schema import CaseSpec, MethodSpec
from mscale_uq.case.system import system_of
from mscale_uq.case.written import experiment_section, filled, prior_section
from mscale_uq.catalog import sources
from mscale_uq.core.system import Smoothness, System
from mscale_uq.errors import InputError, explain, near_match
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.toml import read_toml, write_toml
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior


@final
@dataclass(frozen=True)
class Case:
    """A calibration, read and checked.

    Attributes
    ----------
    name, question
        For people; the name is the file's, unless it says otherwise.
    path
        The file.
    system
        What is calibrated.
    seed, method
        Of the sampler.
    plans
        The experiments: options, data, laws and bindings.
    unknowns
        Unknown -> unit, shape and prior.
    expect
        Unknown or effective quantity -> expected number.
    discrepancies
        Output -> what its model may miss.
    approximating
        How the error of the used models is learned, if the case says so.
    scale
        How homogenised models are judged after sampling, if the system has a resolved one.
    assimilating
        How a filter takes in the data, if the case says so.
    live
        Where further readings come from while they are made, if the case says so.
    """

    name: str
    question: str
    path: Path
    system: System
    seed: int
    method: MethodSpec
    plans: tuple[Plan, ...]
    unknowns: Mapping[str, Unknown]
    expect: Mapping[str, Expected]
    discrepancies: Mapping[str, Discrepancy]
    approximating: Approximating | None
    scale: Scale | None
    assimilating: Assimilating | None
    live: Live | None = None

    @property
    def smoothness(self) -> Smoothness:
        """The system's, which chooses the sampler."""
        return self.system.smoothness

    def posterior(self) -> Posterior:
        """Return priors and experiments as one log-density."""
        experiments = [
            Experiment(plan.name, plan.model, plan.seen, plan.operators, bindings(plan, self.unknowns))
            for plan in self.plans
        ]
        priors = {name: unknown.prior for name, unknown in self.unknowns.items()}
        shapes = {name: unknown.shape for name, unknown in self.unknowns.items()}
        return Posterior(priors, experiments, shapes, self.system.scale)

    def resolved(self, data_folder: str = "") -> dict[str, Any]:
        """Return the case with everything said: all options, numbers in model units, priors by arguments."""
        return {
            "system": self.system.name,
            "name": self.name,
            "question": self.question,
            "seed": self.seed,
            "experiment": [experiment_section(plan, data_folder) for plan in self.plans],
            **self._model_error(),
            "prior": {name: prior_section(unknown) for name, unknown in self.unknowns.items()},
            "method": self.method.model_dump(),
            **({"assimilate": dict(self.assimilating.settings)} if self.assimilating else {}),
            **({"stream": self.live.section()} if self.live else {}),
            "expect": {name: filled(expected) for name, expected in self.expect.items()},
        }

    def resolved_toml(self, data_folder: str = "") -> str:
        """Return `resolved` as TOML, which reads back as the same case."""
        return write_toml(self.resolved(data_folder))

    @property
    def identity(self) -> dict[str, str]:
        """What decides the draws, part by part: a hash each of model, data, priors, sampler, and the seed."""
        whole = self.resolved()
        texts = [path.read_text(encoding="utf-8") for path in sources(self.system.name)]
        deciding = ("sampler", "tune", "chains", "target_accept", "coordinates", "levels", "subchain")
        settings = {key: whole["method"][key] for key in deciding}
        # Of images the content counts, not their names.
        images = {name for plan in self.plans for name in plan.images}
        experiments = [{key: e[key] for key in e if key != "data"} for e in whole["experiment"]]
        for one in experiments:
            one["options"] = {key: value for key, value in one["options"].items() if key not in images}
        return {
            "system": _hash([whole["system"], *texts]),
            "experiments": _hash(experiments),
            "model error": _hash(self._model_error()),
            "data": _hash([[file.digest for file in plan.all_files] for plan in self.plans]),
            "priors": _hash(whole["prior"]),
            "method": _hash(settings),
            "seed": str(self.seed),
        }

    @property
    def hash(self) -> str:
        """One hash of `identity`."""
        return _hash(self.identity)

    def _model_error(self) -> dict[str, Any]:
        """Return the sections on what the models miss."""
        found: dict[str, Any] = {}
        if self.discrepancies:
            found["discrepancy"] = {name: one.section() for name, one in self.discrepancies.items()}
        if self.approximating:
            found["approximation_error"] = self.approximating.section()
        if self.scale:
            options = [dict(change) for change in self.scale.changes]
            found["scale_check"] = {"options": options, "draws": self.scale.draws}
        return found


def read_case(path: str | Path, *, stream_source: str | None = None) -> Case:
    """Read and check a case file, and the data it names; no model is solved.

    `stream_source` stands in for the source of the section ``[stream]``, seen from the working folder.

    Raises
    ------
    CaseError
        With every mistake in the file.
    DataError, UnitError
        If the mistakes are in the data files.
    """
    path = Path(path)
    mistakes = Mistakes(path.name)
    spec = check_form(read_toml(path, path.name), mistakes)
    system = _system(spec.system, mistakes)
    discrepancies = plan_discrepancies(spec.discrepancy, system, mistakes)
    plans = plan_experiments(spec, system, discrepancies, path.parent, mistakes)
    _check_use(spec, plans, discrepancies, mistakes)
    sure = [plan for plan in plans if plan.sure]
    approximating = plan_approximation(spec.approximation_error, system, sure, mistakes)
    scale = plan_scale(spec.scale_check, approximating, system, sure, mistakes)
    plan_levels(spec.method, system, mistakes)
    complete = len(plans) == len(spec.experiment) and all(plan.complete for plan in plans)
    known = unknowns(spec.prior, plans, complete, mistakes)
    expected = {name: one for name, one in spec.expect.items() if not _of_idle(name, spec, known)}
    expect = expected_numbers(expected, system, known, mistakes)
    filtering, live = plan_in_time(spec, system, plans, known, path.parent, mistakes, stream_source)
    mistakes.stop()
    case = Case(
        name=spec.name or path.stem,
        question=spec.question,
        path=path,
        system=system,
        seed=spec.seed,
        method=spec.method,
        plans=tuple(plans),
        unknowns=known,
        expect=expect,
        discrepancies=discrepancies,
        approximating=approximating,
        scale=scale,
        assimilating=filtering,
        live=live,
    )
    with mistakes.at("prior"):
        case.posterior()
    mistakes.stop()
    return case


def _system(name: str, mistakes: Mistakes) -> System:
    """Return the system of a case; without it nobody can know what else is wrong."""
    try:
        return system_of(name)
    except InputError as error:
        mistakes.add("system", str(error))
        mistakes.stop()
        raise


def _of_idle(name: str, spec: CaseSpec, known: Mapping[str, Unknown]) -> bool:
    """Whether an expected number is of an unknown whose own mistake is told: it has no unit yet."""
    return (base := name.partition("[")[0]) in spec.prior and base not in known


def _check_use(
    spec: CaseSpec, plans: list[Plan], discrepancies: Mapping[str, Discrepancy], mistakes: Mistakes
) -> None:
    """Check what is said for all experiments, where all of them are known."""
    if len(plans) == len(spec.experiment):
        _check_fixed(spec, plans, mistakes)
        if all(plan.sure for plan in plans):
            _check_measured(discrepancies, plans, mistakes)


def _check_fixed(spec: CaseSpec, plans: list[Plan], mistakes: Mistakes) -> None:
    """A number at the top must be of use to some experiment."""
    targets = {name for plan in plans for name in plan.targets}
    for name in set(spec.fixed) - targets:
        given = f"no experiment has a parameter {name!r}{near_match(name, targets)}"
        mistakes.add(f"fixed.{name}", explain(given, ", ".join(sorted(targets))))


def _check_measured(discrepancies: Mapping[str, Discrepancy], plans: list[Plan], mistakes: Mistakes) -> None:
    """A discrepancy must be of something that some experiment measures."""
    measured = {quantity for plan in plans for quantity in plan.operators}
    for name in discrepancies.keys() - measured:
        given = f"no experiment measures {name!r}{near_match(name, measured)}"
        mistakes.add(f"discrepancy.{name}", explain(given, ", ".join(sorted(measured))))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
