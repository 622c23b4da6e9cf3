"""How a case is sampled: what a person changes, and what is left to the machine."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from mscale_uq.case.better import check_stretches
from mscale_uq.case.form import nearest_word
from mscale_uq.case.read import Case
from mscale_uq.case.schema import MOST_SEED, MethodSpec
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.infer.methods import check_tuning, choose
from mscale_uq.infer.settings import Settings


def with_changes(case: Case, changes: Mapping[str, Any]) -> Case:
    """Return the case with another seed or method, and its sampler chosen.

    Raises
    ------
    CaseError
        If a setting is unknown or impossible, or the sampler needs a derivative the system does not have, or
        draws to tune in.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    seed = given.pop("seed", case.seed)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MOST_SEED:
        raise CaseError(explain(f"seed = {seed!r}", f"a whole number, zero or more, at most {MOST_SEED}"))
    for name in given:
        if name not in MethodSpec.model_fields:
            allowed = [*MethodSpec.model_fields, "seed"]
            raise CaseError(explain(f"{name!r} is no setting{near_match(name, allowed)}", ", ".join(allowed)))
    try:
        method = MethodSpec.model_validate({**case.method.model_dump(), **given})
    except ValidationError as error:
        one = error.errors()[0]
        impossible = f"{one['loc'][0]} = {one['input']!r}{nearest_word(one)}"
        raise CaseError(explain(impossible, one["msg"].removeprefix("Input should be "))) from None
    wanted = None if method.sampler == "auto" else method.sampler
    sampler = choose(case.smoothness, wanted)
    if sampler == "mlda" and not method.levels:
        hint = "levels = [{ elements = 8 }] in the section [method]"
        raise CaseError(explain("sampler 'mlda' with one level only", "a case with coarse levels", hint))
    check_tuning(sampler, method.tune)
    if sampler == "surrogate":
        check_stretches(case.system)
    levels = {} if sampler == "mlda" else {"levels": None, "subchain": None}
    return replace(case, seed=seed, method=method.model_copy(update={"sampler": sampler, **levels}))


def settings_of(case: Case) -> Settings:
    """Return how a case, its sampler chosen, is sampled on this machine."""
    method = case.method
    cores = method.cores if method.cores is not None else len(os.sched_getaffinity(0))
    return Settings(
        sampler=method.sampler,
        draws=method.draws,
        tune=method.tune,
        chains=method.chains,
        cores=min(cores, method.chains),
        seed=case.seed,
        target_accept=method.target_accept,
        coordinates=method.coordinates,
    )
