"""The parts of a resolved case: what was read, written so that it reads back as the same."""

from dataclasses import fields
from typing import Any

import numpy as np

from mscale_uq.case.binding import Link
from mscale_uq.case.data import DataFile
from mscale_uq.case.holdout import section
from mscale_uq.case.laws import LAWS, plain_law
from mscale_uq.case.model import Plan
from mscale_uq.case.pooled import of_parts
from mscale_uq.case.priors import Unknown
from mscale_uq.core.law import Law
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.stats.experiment import Fixed


def experiment_section(plan: Plan, data_folder: str) -> dict[str, Any]:
    """Return an experiment with everything said; `data_folder` comes before the names of its files."""
    numbers = {name: b.value for name, b in plan.bindings.items() if isinstance(b, Fixed)}
    links = {name: b for name, b in plan.bindings.items() if isinstance(b, Link)}
    return {
        "name": plan.name,
        "data": [_in(data_folder, file) for file in plan.files],
        **(plan.awaited.section() if plan.awaited else {}),
        **({"reader": dict(plan.reader)} if plan.reader else {}),
        "options": {**plan.options, **_beside(plan, data_folder)},
        "fixed": {name: np.asarray(value).tolist() for name, value in numbers.items()},
        "bind": {name: _link_text(link) for name, link in links.items()},
        "law": _laws(plan),
        **({"hold_out": section(plan.held)} if plan.held else {}),
    }


def _in(data_folder: str, file: DataFile) -> str:
    return f"{data_folder}{file.given.removeprefix(data_folder)}"


def _beside(plan: Plan, data_folder: str) -> dict[str, str]:
    """Return the options that name images, the files in another folder."""
    return {name: _in(data_folder, file) for name, file in plan.images.items()}


def _link_text(link: Link) -> str:
    return link.name if link.index is None else f"{link.name}[{link.index}]"


def _laws(plan: Plan) -> dict[str, dict[str, Any]]:
    dishes = of_parts(plan.pooled)
    own = {q: _law(one.law, plan) for q, one in plan.operators.items() if q not in dishes}
    return own | {q: spec.model_dump(exclude_none=True) for q, spec in plan.pooled.items()}


def _law(law: Law, plan: Plan) -> dict[str, Any]:
    # What a model misses stands in `_model_error`.
    law = plain_law(law.noise if isinstance(law, GaussianCorrelated) else law)
    name = next(name for name, kind in LAWS.items() if isinstance(law, kind))
    levels = {key: list(value) if isinstance(value, tuple) else value for key, value in filled(law).items()}
    per = [plan.channels[str(level)].along for level in levels.values() if str(level) in plan.channels]
    return {"law": name, **levels, **({"per": list(per[0])} if per else {})}


def prior_section(unknown: Unknown) -> dict[str, Any]:
    """Return a prior by its arguments."""
    shape = "experiments" if unknown.per else list(unknown.shape) or None
    # A resolved case must not need the names of parents' children to find a unit.
    return {"dist": unknown.prior.family, **unknown.prior.arguments, "shape": shape, "unit": unknown.unit}


def filled(record: Any) -> dict[str, Any]:
    """Return the fields of a record that are not None."""
    return {f.name: getattr(record, f.name) for f in fields(record) if getattr(record, f.name) is not None}
