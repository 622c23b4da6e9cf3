"""From the tables of a TOML file to a `CaseSpec`: mistakes of form are noted, and mended to go on with.

A misspelt key or word is read as its nearest match, what is of the wrong type is left out, so that whatever
else is wrong in the file, its data and its priors is found in the same reading.
"""

import copy
import re
from typing import Any

from pydantic import ValidationError

from mscale_uq.case.schema import SECTIONS, CaseSpec, ExperimentSpec, Section
from mscale_uq.errors import closest, explain, near_match
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.stats.priors import FAMILIES

# Pydantic's kind of mistake -> what is allowed, in words for people who do not write Python.
ALLOWED = {
    "model_type": "a table, { key = value, .. }",
    "dict_type": "a table, { key = value, .. }",
    "list_type": "a list; experiments are written as [[experiment]]",
    "too_short": "at least one",
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}
# What a key says that a case cannot do without.
NEEDED = {
    "system": "'family/name', as mscale list shows them",
    "data": "the name of a file beside the case, or a list of them",
    "dist": ", ".join(FAMILIES),
}
WORDS = ("literal_error", "sampler")  # mistakes whose message lists the allowed words
NAMED = ("law", "discrepancy", "prior", "expect")  # sections that hold a table for each name
UNTOLD = "?"  # stands for the data file of an experiment that names none
ROUNDS = 20  # of mending; each one mends what the one before has brought to light

Place = tuple[Any, ...]


def check_form(tables: dict[str, Any], mistakes: Mistakes) -> CaseSpec:
    """Return the tables of a TOML file as a `CaseSpec`; mistakes are noted, and mended in the result.

    Raises
    ------
    CaseError
        If nothing can be read without what is missing or wrong: the system, the experiments.
    """
    mended = copy.deepcopy(tables)
    for _ in range(ROUNDS):
        try:
            return CaseSpec.model_validate(mended)
        except ValidationError as error:
            found = error.errors()
        for one in found:
            mistakes.add(*_in_words(one, tables))
        for one in found:
            if not _mend(mended, one):
                mistakes.stop()
    mistakes.stop()
    raise AssertionError  # stop() raised


def _in_words(one: Any, tables: dict[str, Any]) -> tuple[str, str]:
    """Return key and message of one of pydantic's findings, in this package's form."""
    place, kind, given = one["loc"], one["type"], one["input"]
    key = ".".join(map(str, place))
    if place[0] == "experiment" and len(place) > 1:
        key = ".".join(["experiment", _experiment_name(tables, place[1]), *map(str, place[2:])])
    if kind == "missing":
        return key, explain("the key is missing", NEEDED.get(str(place[-1]), ""))
    if kind == "extra_forbidden":
        allowed = _keys_beside(place)
        meant = closest(str(place[-1]), _free_keys(tables, place)) or closest(str(place[-1]), allowed, 0.8)
        return key, explain(f"unknown key{near_match(meant or '', allowed)}", ", ".join(allowed))
    allowed_text = ALLOWED.get(kind) or one["msg"].removeprefix("Input should be ")
    return key, explain(f"{_short(given)}{nearest_word(one)}", allowed_text)


def nearest_word(one: Any) -> str:
    """Return the nearest match of a word in one of pydantic's findings, for its message."""
    return near_match(one["input"], _words(one)) if isinstance(one["input"], str) else ""


def _mend(tables: dict[str, Any], one: Any) -> bool:
    """Put into the tables what one finding most likely meant, or take it out; say if that could be done."""
    place, kind, given = one["loc"], one["type"], one["input"]
    if kind == "missing" or _is_needed(place):
        return _fill(tables, place)
    inside, key = _table(tables, place[:-1]), place[-1]
    if inside is None or key not in inside:
        return True  # another finding has taken it out
    meant = closest(given, _words(one)) if isinstance(given, str) else None
    if kind == "extra_forbidden":
        right = closest(str(key), _free_keys(tables, place))
        value = inside.pop(key)
        if right is not None:
            inside.setdefault(right, value)
    elif meant is not None:
        inside[key] = meant
    else:
        del inside[key]
    return True


def _fill(tables: dict[str, Any], place: Place) -> bool:
    """Go on without a key that a table cannot do without; False if there is no case without it."""
    *path, key = place
    if path and path[0] == "experiment":
        if len(path) > 2:  # a law
            return _drop(tables, tuple(path))
        if key not in ("name", "data"):
            return False
        inside = _table(tables, tuple(path))
        if inside is not None:
            inside[key] = str(path[1] + 1) if key == "name" else UNTOLD
        return True
    return bool(path) and _drop(tables, tuple(path))


def _drop(tables: dict[str, Any], place: Place) -> bool:
    inside = _table(tables, place[:-1])
    if inside is not None:
        inside.pop(place[-1], None)
    return True


def _table(tables: Any, place: Place) -> dict[str, Any] | None:
    """Return the table at a place, None if there is none."""
    for step in place:
        listed = isinstance(tables, list) and isinstance(step, int)
        tables = tables[step] if listed else tables.get(step) if isinstance(tables, dict) else None
    return tables if isinstance(tables, dict) else None


def _is_needed(place: Place) -> bool:
    """Whether the key at a place is one that its table cannot do without, or an experiment itself."""
    if place == ("experiment",) or (place[0] == "experiment" and len(place) == 2):
        return True
    section = _section(place)
    field = section.model_fields.get(str(place[-1])) if section else None
    return field is not None and field.is_required()


def _section(place: Place) -> type[Section] | None:
    """Return the kind of table in which a key stands; None inside a table of free keys."""
    section: type[Section] = CaseSpec
    if place[0] == "experiment" and len(place) > 2:
        section, place = ExperimentSpec, place[2:]
    if len(place) == 1:
        return section
    named = SECTIONS.get(place[0])
    depth = 3 if place[0] in NAMED else 2
    return named if named is not None and len(place) == depth else None


def _keys_beside(place: Place) -> list[str]:
    """Return the keys that are known where an unknown one was found."""
    section = _section(place)
    return list(section.model_fields) if section else []


def _free_keys(tables: dict[str, Any], place: Place) -> list[str]:
    """Return the known keys that are not given beside an unknown one, so that it may be meant for them."""
    return [key for key in _keys_beside(place) if key not in (_table(tables, place[:-1]) or {})]


def _words(one: Any) -> list[str]:
    """Return the words that are allowed where another one was found."""
    return re.findall(r"\w+", one["msg"].partition("be ")[2] or one["msg"]) if one["type"] in WORDS else []


def _experiment_name(tables: dict[str, Any], position: int) -> str:
    experiment = tables["experiment"][position]
    name = experiment.get("name") if isinstance(experiment, dict) else None
    return name if isinstance(name, str) else str(position + 1)


def _short(given: Any) -> str:
    text = str(given).lower() if isinstance(given, bool) else repr(given)  # true, as TOML has it
    return text if len(text) < 60 else f"{text[:57]}..."
