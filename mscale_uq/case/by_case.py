"""`ByCase`: records of a stream as the observations that a case means."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from mscale_uq.case.dishes import number_of
from mscale_uq.case.stream import Stream
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array, Quantity
from mscale_uq.core.stage import Values
from mscale_uq.errors import DataError, explain, near_match
from mscale_uq.io.units import factor, to_unit
from mscale_uq.macro.lineage import BORN, PARENT, Lineage
from mscale_uq.observe.counts import check_counts
from mscale_uq.stream.message import Message
from mscale_uq.stream.readings import Known

DATE = re.compile(r"\s*\d{4}-\d\d-\d\d|\s*\d{1,2}[./]\d{1,2}[./]\d{2,4}|\s*\d{1,2}:\d\d")


@final
@dataclass(frozen=True)
class ByCase:
    """Reads messages as a case means them: units converted, places found, outputs known by name.

    Attributes
    ----------
    stream
        What the case says of sources and their places.
    start
        When the model begins; who divides does so later.

    Raises
    ------
    DataError, UnitError
        When called: if the message does not fit the case.
    """

    stream: Stream
    start: float = -np.inf

    def __call__(self, message: Message) -> Observation:
        """Return the observation, in the model's units."""
        source = self._source(message)
        output = self.stream.outputs[source]
        if message.quantity not in ("", output.name):
            raise DataError(explain(f"{source}: quantity {message.quantity!r}", output.name))
        scale, offset = factor(message.units or output.unit, output.unit, f"units {message.units!r}")
        message = replace(message, coordinates=self._place_alone(message))
        value = self._placed(message, _possible(message.value * scale + offset, output), "value", source)
        value = check_counts(value) if source in self.stream.counted else value
        error = None if message.error is None else self._error(message, message.error, scale, source)
        if error is None and source in self.stream.stated:
            raise DataError(explain(f"{output.name}: no error", "the reading's standard deviation"))
        when = self._when(message)
        own = self._brought(message, source, value.shape)
        return self.stream.screen.judge(Observation(when, source, output.name, value, error, covariates=own))

    def learn(self, message: Message, values: Values) -> Known | None:
        """Return named values with what a message says for good, whose daughter a cell is, and since when.

        None if it says nothing new.
        """
        source, given = self._source(message), message.coordinates
        places, unit = self.stream.places[source], self.stream.time.unit
        if not places.past or not set(places.past) & set(given):
            return None
        (along,) = places.along
        alone = self._place_alone(message)
        cell, mother = (
            self._point({along.name: one}, source)
            for one in (alone[along.name], given.get(PARENT, alone[along.name]))
        )
        if PARENT in given and mother == cell:
            return None
        if not {PARENT, BORN} <= set(given):
            raise DataError(explain(f"coordinates {', '.join(given)}", f"{PARENT} and {BORN} together"))
        born = to_unit(_single(given[BORN], BORN), unit, BORN)
        if not born > self.start:
            hint = f"a cell that is there at the start has no mother: neither {PARENT} nor {BORN}"
            raise DataError(explain(f"{BORN} = {born:g} {unit}", f"later than {self.start:g} {unit}", hint))
        parents, births = (np.array(values[name], dtype=float) for name in (PARENT, BORN))
        if (parents[cell], births[cell]) == (mother, born):
            return None
        if parents[cell] != cell:
            told = f"another mother, or birth, of cell {_single(alone[along.name], along.name)}"
            raise DataError(explain(told, "that of its first reading"))
        parents[cell], births[cell] = mother, born
        changed = {PARENT: parents, BORN: births}
        reason = Lineage.of(changed, places.names).absent(cell, to_unit(message.time, unit, "event_time"))
        if reason:
            raise DataError(reason)
        return Known(changed, born)

    def _when(self, message: Message) -> float:
        if isinstance(message.time, str) and DATE.match(message.time):
            allowed = (
                f"the time since the model's start, a number in {self.stream.time.unit} or text with a unit"
            )
            hint = "subtract the start of the experiment before the record is sent"
            raise DataError(explain(f"event_time = {message.time!r}, a date", allowed, hint))
        return to_unit(message.time, self.stream.time.unit, "event_time")

    def absent(self, observed: Observation, values: Values) -> str:
        """Return why a cell that is read is not there, by what is known of divisions; nothing if all are."""
        places = self.stream.places[observed.source]
        if not places.past:
            return ""
        lineage, read = Lineage.of(values, places.names), np.flatnonzero(~np.isnan(observed.value))
        return next((why for cell in read if (why := lineage.absent(int(cell), observed.time))), "")

    def _place_alone(self, message: Message) -> dict[str, Any]:
        past = self.stream.places[self._source(message)].past
        return {name: given for name, given in message.coordinates.items() if name not in past}

    def _source(self, message: Message) -> str:
        names = {output.name: source for source, output in self.stream.outputs.items()}
        known = {**names, **{source: source for source in self.stream.outputs}}
        if message.instrument not in known:
            hint = near_match(message.instrument, known)
            raise DataError(explain(f"type {message.instrument!r}{hint}", ", ".join(known)))
        return known[message.instrument]

    def _error(self, message: Message, error: Array, scale: float, source: str) -> Array:
        if error.ndim == 2:
            return error * scale**2
        if error.ndim == 0:
            return error * abs(scale)
        return self._placed(message, error * abs(scale), "error", source, 1.0)

    def _placed(
        self, message: Message, value: Array, key: str, source: str, elsewhere: float = np.nan
    ) -> Array:
        """Return a reading as the vector over all places of its source."""
        points = self.stream.places[source].points
        if self.stream.places[source].carried:
            return value.ravel()
        if points is None:
            if value.size != 1 or message.coordinates:
                raise DataError(explain(f"{key} of shape {value.shape}", "one number, without coordinates"))
            return value.reshape(())
        if not message.coordinates:
            if value.size != len(points):
                given = f"{key} of shape {value.shape} without coordinates"
                raise DataError(explain(given, f"{len(points)} numbers, one for each place of the case"))
            return value.reshape(len(points))
        if value.size != 1:
            raise DataError(explain(f"{key} of shape {value.shape} at one place", "one number"))
        vector = np.full(len(points), elsewhere)
        vector[self._point(message.coordinates, source)] = value.item()
        return vector

    def _brought(self, message: Message, source: str, shape: tuple[int, ...]) -> dict[str, Array]:
        """Return what a message brings along of the coordinates that its source reads."""
        places = self.stream.places[source]
        if not places.carried:
            return {}
        along = {coordinate.name: coordinate for coordinate in places.along}
        coordinates = dict.fromkeys(places.apart, number_of(message.name)) | dict(message.coordinates)
        given = set(coordinates)
        if not set(places.carried) <= given <= set(along):
            told = f"coordinates {', '.join(sorted(given)) or 'none'}"
            needed = (name for name in places.carried if name not in places.apart)
            raise DataError(explain(told, f"{', '.join(needed)}, of {', '.join(along)}"))
        own = {}
        for name in places.carried:
            found = np.atleast_1d(np.asarray(coordinates[name], dtype=object))
            if found.size not in (1, *shape):
                raise DataError(
                    explain(f"{found.size} of {name!r} for {shape[0]} values", "one, or one for each")
                )
            numbers = np.array([to_unit(one, along[name].unit, name) for one in found])
            own[name] = np.resize(_possible(numbers, along[name]), shape)
        return own

    def _point(self, coordinates: Mapping[str, Any], source: str) -> int:
        along, points = self.stream.places[source].along, self.stream.places[source].points
        names = [coordinate.name for coordinate in along]
        if set(coordinates) != set(names) or points is None:
            raise DataError(explain(f"coordinates {', '.join(coordinates)}", ", ".join(names)))
        place = [to_unit(_single(coordinates[c.name], c.name), c.unit, c.name) for c in along]
        there = np.flatnonzero(np.isclose(points, place, rtol=1e-9, atol=0.0).all(axis=1))
        if not there.size:
            given = ", ".join(f"{c.name} = {x:g} {c.unit}" for c, x in zip(along, place, strict=True))
            raise DataError(explain(f"no place at {given}", "the places in the case's data"))
        return int(there[0])


def _possible(values: Array, quantity: Quantity) -> Array:
    beyond = (values < quantity.lower) | (values > quantity.upper)
    if beyond.any():
        raise DataError(explain(f"{quantity.name} = {values[beyond][0]:g} is impossible", quantity.limits))
    return values


def _single(given: Any, name: str) -> float | str:
    if isinstance(given, list):
        raise DataError(explain(f"a list of {name!r}", "one place"))
    return given
