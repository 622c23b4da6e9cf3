"""A sampler's state as plain numbers and text: a list of bytes, no pickle.

PyMC's `sampling_state` is a tree of dataclasses whose leaves are arrays and numbers. Restoring needs a
freshly built state of the same kind as a template: it supplies the types, and the fields that cannot change.
"""

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from io import BytesIO
from typing import Any

import numpy as np


def dump(tree: Any) -> list[bytes]:
    """Return the tree as JSON followed by its arrays in NumPy's format.

    Raises
    ------
    TypeError
        If a leaf is neither an array nor a number, text, truth value or None.
    """
    arrays: list[np.ndarray] = []
    code = _encode(tree, arrays)
    return [json.dumps({"arrays": len(arrays), "tree": code}).encode(), *map(_array_bytes, arrays)]


def load(payloads: Sequence[bytes], template: Any = None) -> Any:
    """Return the tree that `dump` wrote; dataclasses and named tuples need a template.

    Raises
    ------
    ValueError
        If the payloads are not complete.
    """
    head = json.loads(payloads[0])
    if head["arrays"] != len(payloads) - 1:
        raise ValueError(f"{len(payloads) - 1} arrays where {head['arrays']} should be")
    arrays = [np.load(BytesIO(payload), allow_pickle=False) for payload in payloads[1:]]
    return _decode(head["tree"], arrays, template)


def _array_bytes(array: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _encode(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray | np.generic):  # first: NumPy's float64 is a Python float as well
        arrays.append(np.asarray(value))
        return {"kind": "scalar" if isinstance(value, np.generic) else "array", "value": len(arrays) - 1}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value):
        return {"kind": "record", "value": {n: _encode(getattr(value, n), arrays) for n in _changing(value)}}
    if isinstance(value, dict):
        return {"kind": "dict", "value": {name: _encode(entry, arrays) for name, entry in value.items()}}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {"kind": "record", "value": {n: _encode(v, arrays) for n, v in value._asdict().items()}}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {"kind": kind, "value": [_encode(entry, arrays) for entry in value]}
    raise TypeError(f"a {type(value).__name__} cannot be written to a checkpoint")


def _decode(code: Any, arrays: list[np.ndarray], template: Any) -> Any:
    if not isinstance(code, dict):
        return code
    kind, value = code["kind"], code["value"]
    if kind == "array":
        return arrays[value]
    if kind == "scalar":
        return arrays[value][()]
    if kind == "dict":
        return {name: _decode(entry, arrays, _part(template, name)) for name, entry in value.items()}
    if kind == "record":
        return _record({n: _decode(v, arrays, getattr(template, n)) for n, v in value.items()}, template)
    entries = [_decode(entry, arrays, _part(template, index)) for index, entry in enumerate(value)]
    return entries if kind == "list" else tuple(entries)


def _record(values: dict[str, Any], template: Any) -> Any:
    """Make a dataclass or named tuple like the template, with the stored values."""
    if is_dataclass(template):
        kept = {f.name: getattr(template, f.name) for f in fields(template) if f.name not in values}
        return type(template)(**values, **kept)  # type: ignore[misc, operator]
    return type(template)(**values)


def _changing(state: Any) -> list[str]:
    """Names of the fields that a running sampler changes; PyMC marks the others as frozen."""
    return [field.name for field in fields(state) if not field.metadata.get("frozen", False)]


def _part(template: Any, key: Any) -> Any:
    """Return the template's entry, if it has one there."""
    if isinstance(template, dict):
        return template.get(key)
    if isinstance(template, list | tuple) and isinstance(key, int) and key < len(template):
        return template[key]
    return None
