"""A filter's state as bytes and back, to the last bit: an npz archive of plain arrays, never pickled."""

import io
import json
from dataclasses import fields
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain
from mscale_uq.filters.enks import LaggedState
from mscale_uq.filters.ienks import WindowState
from mscale_uq.filters.node_blocks import Blocks
from mscale_uq.filters.node_state import NodeState
from mscale_uq.filters.records import EnsembleState, FactorState, GaussianState

KINDS = {
    kind.__name__: kind
    for kind in (
        GaussianState,
        FactorState,
        EnsembleState,
        LaggedState,
        WindowState,
        NodeState,
        Blocks,
        Observation,
    )
}
FORM = "form"


def pack(state: Any) -> bytes:
    """Return a state's record as bytes.

    Raises
    ------
    DataError
        If it holds anything but numbers, arrays, texts, tuples, tables of these, None and filters' records.
    """
    arrays: dict[str, Array] = {}
    form = json.dumps(_taken_apart(state, arrays))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{FORM: np.array(form), **arrays})
    return buffer.getvalue()


def unpack(content: bytes) -> Any:
    """Return the state that `pack` made into bytes.

    Raises
    ------
    DataError
        If they are not whole, or not those of a state.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return _put_together(json.loads(str(archive[FORM])), archive)
    except (BadZipFile, KeyError, ValueError, TypeError, OSError, EOFError) as error:
        raise DataError(explain(f"a stored state cannot be read: {error}", "the bytes of `pack`")) from None


def _taken_apart(part: Any, arrays: dict[str, Array]) -> Any:
    """Return the form of a value as plain JSON; arrays are put aside under a number."""
    if part is None:
        return None
    if isinstance(part, str):
        return {"text": part}
    if isinstance(part, tuple):
        return {"tuple": [_taken_apart(one, arrays) for one in part]}
    if isinstance(part, dict):
        return {"table": {name: _taken_apart(one, arrays) for name, one in part.items()}}
    if type(part).__name__ in KINDS:
        inside = {one.name: _taken_apart(getattr(part, one.name), arrays) for one in fields(part)}
        return {"record": type(part).__name__, "fields": inside}
    if isinstance(part, int | float | np.ndarray | np.number):
        label = str(len(arrays))
        arrays[label] = np.asarray(part)
        return {"array": label, "plain": not isinstance(part, np.ndarray)}
    raise DataError(explain(f"a state with a {type(part).__name__}", f"arrays and {', '.join(KINDS)}"))


def _put_together(form: Any, archive: Any) -> Any:
    if form is None:
        return None
    if "text" in form:
        return str(form["text"])
    if "tuple" in form:
        return tuple(_put_together(one, archive) for one in form["tuple"])
    if "table" in form:
        return {name: _put_together(one, archive) for name, one in form["table"].items()}
    if "record" in form:
        inside = {name: _put_together(one, archive) for name, one in form["fields"].items()}
        return KINDS[form["record"]](**inside)
    array = archive[form["array"]]
    return array.item() if form["plain"] else array
