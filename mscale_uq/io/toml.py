"""TOML in and out: read with the place of a mistake, written so that it reads back as the same."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mscale_uq.errors import CaseError, explain

TABLES = (".csv", ".tsv", ".txt", ".dat")


def read_toml(path: Path, label: str) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    CaseError
        If it cannot be read, is not UTF-8 or is not TOML; the message gives the line.
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        if path.suffix.lower() in TABLES:
            hint = f'a case names its table: data = "{path.name}"; mscale new plate writes one to start from'
            raise CaseError(explain(f"{label} is a table", "a case file, which is TOML", hint)) from None
        hint = "text stands in quotes, a table of one line in braces, names are given once"
        raise CaseError(explain(f"{label}: {error}", "TOML", hint)) from None
    except UnicodeDecodeError as error:
        raise CaseError(explain(f"{label}: byte {error.start} is not UTF-8", "TOML in UTF-8")) from None
    except OSError as error:
        raise CaseError(explain(f"{label}: cannot be read: {error.strerror}", "a TOML file")) from None


def write_toml(tables: Mapping[str, Any]) -> str:
    """Return a mapping of numbers, words, lists and mappings as TOML; None is left out."""
    plain, nested = _sorted_out(tables)
    lines = [f"{_key(name)} = {_value(value)}" for name, value in plain.items()]
    for name, value in nested.items():
        many = isinstance(value, list)
        for table in value if many else [value]:
            lines += ["", f"[[{_key(name)}]]" if many else f"[{_key(name)}]"]
            lines += [f"{_key(key)} = {_value(item)}" for key, item in table.items() if item is not None]
    return "\n".join(lines).lstrip("\n") + "\n"


def _sorted_out(tables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plain values must stand before the first table, or they would belong to it."""
    nested = {name: value for name, value in tables.items() if _is_table(value)}
    plain = {name: value for name, value in tables.items() if name not in nested and value is not None}
    return plain, nested


def _is_table(value: Any) -> bool:
    rows = value if isinstance(value, list) else [value]
    return bool(rows) and all(isinstance(row, Mapping) for row in rows)


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if plain else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items() if item is not None)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    return repr(value)  # TOML writes integers and floats as Python does


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
