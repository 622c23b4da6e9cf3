"""From an experiment of a case file to a forward model, noise laws, and what each parameter is bound to.

An experiment whose options, data or laws are mistaken is planned all the same, with stand-ins: the case is
not run then, but what else is wrong with it is told in the same message.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import numpy as np

from mscale_uq.case.awaited import Awaited
from mscale_uq.case.binding import Link, bindings_of, links_are_known
from mscale_uq.case.channels import Channels
from mscale_uq.case.data import DataFile, find_data
from mscale_uq.case.discrepancy import Discrepancy
from mscale_uq.case.holdout import Mask, held_out, without
from mscale_uq.case.laws import law_of
from mscale_uq.case.measured import measured
from mscale_uq.case.operators import Measured, add_backgrounds, add_discrepancies, read_under
from mscale_uq.case.pooled import Pooled, of_parts, pooled
from mscale_uq.case.schema import CaseSpec, ExperimentSpec, LawSpec
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Array, Parameter
from mscale_uq.core.system import System, pick
from mscale_uq.errors import CaseError, InputError, closest, explain
from mscale_uq.io.image import read_image
from mscale_uq.io.measurements import Measurements, ranges
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.io.units import to_unit
from mscale_uq.stats.experiment import Fixed


@final
@dataclass(frozen=True)
class Plan:
    """One experiment, worked out except for its priors.

    Attributes
    ----------
    name, options, files, data, model, operators
        As in `stats.experiment.Experiment` and the case file.
    targets
        What can be bound: model parameters and noise levels, with unit, shape and limits.
    levels
        The targets that are noise levels.
    bindings
        Target -> number, or link to an unknown.
    reader, said
        How files of another program are read, as in the case file, and a line on what was in each.
    images
        Option -> the file of the image it names.
    held
        Output -> which of its readings are held out.
    channels
        Noise level -> the channels it has an entry for, if it has several.
    sure
        Whether model and data are those of the experiment, and no stand-ins.
    awaited
        The files that come or grow while the case is assimilated, if those are its data.
    pooled
        The outputs that are numbers of a dish -> their laws in the case.
    complete
        Whether every law and every binding is known, so that what is linked to is all that is.
    """

    name: str
    options: Mapping[str, Any]
    files: tuple[DataFile, ...]
    data: Measurements
    model: ForwardModel
    operators: Mapping[str, ObservationOperator]
    targets: Mapping[str, Parameter]
    levels: frozenset[str]
    bindings: Mapping[str, Fixed | Link]
    reader: Mapping[str, Any] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    images: Mapping[str, DataFile] = field(default_factory=dict)
    held: Mapping[str, Mask] = field(default_factory=dict)
    channels: Mapping[str, Channels] = field(default_factory=dict)
    sure: bool = True
    complete: bool = True
    awaited: Awaited | None = None
    pooled: Mapping[str, LawSpec] = field(default_factory=dict)

    def other_model(self, system: System, changes: Mapping[str, Any]) -> ForwardModel:
        """Return the model of the same readings with some options changed."""
        return system.forward(**{**self.arguments, **changes}, **self.data.coordinates)

    @property
    def seen(self) -> dict[str, Array]:
        """Output -> its readings, those that are held out missing."""
        return without(self.data, self.held)

    @property
    def all_files(self) -> tuple[DataFile, ...]:
        """The data, and the images that options name."""
        return (*self.files, *self.images.values())

    @property
    def arguments(self) -> dict[str, Any]:
        """The options as `System.forward` takes them: images in place of their files."""
        return with_images(self.options, self.images)


def plan_experiments(
    spec: CaseSpec,
    system: System,
    discrepancies: Mapping[str, Discrepancy],
    folder: Path,
    mistakes: Mistakes,
) -> list[Plan]:
    """Return every experiment of which a model can be made; mistakes are noted."""
    names = [one.name for one in spec.experiment]
    for name in sorted({name for name in names if names.count(name) > 1}):
        mistakes.add(f"experiment.{name}.name", explain(f"{name!r} is given twice", "different names"))
    for quantity in spec.law:
        with mistakes.at(f"law.{quantity}"):
            pick(quantity, system.outputs, f"{system.name}: output")
    plans = [_plan(spec, one, system, discrepancies, folder, mistakes) for one in spec.experiment]
    return [plan for plan in plans if plan is not None]


def _plan(
    spec: CaseSpec,
    one: ExperimentSpec,
    system: System,
    discrepancies: Mapping[str, Discrepancy],
    folder: Path,
    mistakes: Mistakes,
) -> Plan | None:
    here, laws = f"experiment.{one.name}", {**spec.law, **one.law}
    options, knows_options = _options(spec.options, one, system, mistakes)
    files, read, said, waits = measured(one, system, folder, mistakes)
    before, pools = len(mistakes), Pooled(read or _as_if(laws, system), {}, {})
    with mistakes.in_data(f"{here}.law"):
        pools = pooled(laws, pools.data, system, read is not None, waits is not None)
    data, laws = pools.data, {**laws, **of_parts(pools.laws)}
    images = _images(system, options, here, folder, mistakes)
    if not knows_options or len(mistakes) > before:
        return None  # nobody can know which parameters there are
    model = _model(system, with_images(options, images), data, here if read else "", mistakes)
    if model is None:
        return None
    of = Measured(one, system, data, model, read is not None)
    read_by = read_under(of, laws, pools.operators, mistakes)
    add_discrepancies(of, read_by, discrepancies, mistakes)
    targets = read_by.targets
    held: dict[str, Mask] = {}
    with mistakes.at(f"{here}.hold_out"):
        held = held_out(one.hold_out, data) if read else {}
    reader = one.reader.model_dump(exclude_unset=True) if one.reader else {}
    bindings = bindings_of(spec, one, targets, mistakes)
    add_backgrounds(of, read_by, laws, bindings, mistakes)
    has_laws = all(law_of(name, laws, data.outputs) for name in read_by.operators)
    complete = has_laws and links_are_known(one, targets)
    return Plan(
        one.name, options, files, data, model, read_by.operators, targets,
        frozenset(targets) - set(model.names), bindings, reader, said, images, held, read_by.channels,
        sure=of.real and has_laws, complete=complete,
        awaited=waits and replace(waits, pools=pools.laws), pooled=pools.laws,
    )  # fmt: skip


def _images(
    system: System, options: Mapping[str, Any], here: str, folder: Path, mistakes: Mistakes
) -> dict[str, DataFile]:
    """Return the files of the images that options name; what cannot be read is noted."""
    found = {}
    for option in system.options:
        if option.image and options[option.name]:
            with mistakes.in_data(f"{here}.options.{option.name}"):
                file = find_data(options[option.name], folder)
                read_image(file.path, file.given)
                found[option.name] = file
    return found


def with_images(options: Mapping[str, Any], images: Mapping[str, DataFile]) -> dict[str, Any]:
    """Return options with images in place of the files that hold them."""
    return {**options, **{name: read_image(file.path, file.given) for name, file in images.items()}}


def _as_if(laws: Mapping[str, LawSpec], system: System) -> Measurements:
    """Return stand-in data: everything that has a law is measured."""
    known = {output.name for output in system.outputs}
    return Measurements({}, {name: np.zeros(()) for name in laws if name in known})


def _options(
    common: Mapping[str, Any], one: ExperimentSpec, system: System, mistakes: Mistakes
) -> tuple[dict[str, Any], bool]:
    """Return every option of the system, and whether the model they choose is the one that is meant."""
    options: dict[str, Any] = {option.name: option.default for option in system.options}
    sure = True
    for name, value in {**common, **one.options}.items():
        key = f"experiment.{one.name}.options.{name}" if name in one.options else f"options.{name}"
        try:
            options[name] = option_value(system, name, value)
        except InputError as error:
            mistakes.add(key, str(error))
            with mistakes.at(key):
                sure = _meant(system, options, name, value) and sure
    return options, sure


def _meant(system: System, options: dict[str, Any], name: str, value: Any) -> bool:
    """Put in what a mistaken option most likely meant; False if it may be another model.

    Raises
    ------
    InputError
        If its value is mistaken, too.
    """
    known = {option.name: option for option in system.options}
    option = known.get(closest(name, known) or "")
    if option is None:
        return True
    if option.choices:
        word = closest(value, option.choices) if isinstance(value, str) else None
        options[option.name] = word or option.default
        return word is not None
    if option.name != name:
        options[option.name] = option_value(system, option.name, value)
    return option.name != name or not isinstance(option.default, bool)


def option_value(system: System, name: str, value: Any) -> float | int | str | bool:
    """Return a system's option as given in a case, in its own unit and type.

    Raises
    ------
    InputError
        If there is no such option, or the value is none of it.
    """
    option = pick(name, system.options, f"{system.name}: option")
    if isinstance(value, str) and isinstance(option.default, int | float) and option.unit:
        value = to_unit(value, option.unit, name)
        value = int(value) if isinstance(option.default, int) and value.is_integer() else value
    checked: float | int | str | bool = option.check(value)
    return checked


def _model(
    system: System, options: Mapping[str, Any], data: Measurements, key: str, mistakes: Mistakes
) -> ForwardModel | None:
    """Return the model of the data; a mistake is noted at `key`, or follows from another if that is empty."""
    try:
        _check_coordinates(system, data)
        return system.forward(**options, **data.coordinates)
    except InputError as error:
        if key:
            mistakes.add(key, "; ".join(filter(None, (str(error), ranges(data, system.coordinates)))))
        return None


def _check_coordinates(system: System, data: Measurements) -> None:
    needed = inspect.signature(system.forward).parameters.values()
    along = {coordinate.name for coordinate in system.coordinates}
    for argument in needed:
        if argument.name in along - set(data.coordinates) and argument.default is argument.empty:
            measured = [o.name for o in system.outputs if argument.name in o.coordinates]
            given = f"no data along {argument.name!r}"
            raise CaseError(explain(given, f"a file with {argument.name!r} and one of {', '.join(measured)}"))
