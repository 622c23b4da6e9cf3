"""What differs between a case and the one that a folder was made with, by key, for people."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mscale_uq.case.read import Case

# Part of a case's identity -> sections of the resolved case that decide it.
SECTIONS = {
    "system": ("system",),
    "experiments": ("experiment",),
    "model error": ("discrepancy", "approximation_error", "scale_check"),
    "priors": ("prior",),
    "method": ("method",),
    "seed": ("seed",),
}
LENGTH = ("method.draws", "method.cores")  # these may change
MOST = 3


def differences(parts: list[str], held: str, case: Case, data: Path) -> str:
    """Return the keys that differ in these parts, with both values; data files by name.

    Parameters
    ----------
    parts
        Names of `Case.identity`.
    held
        The resolved case of the folder, as TOML.
    case
        What is asked for now.
    data
        Where the folder has its copies of the data.
    """
    was, now = tomllib.loads(held), tomllib.loads(case.resolved_toml(f"{data.name}/"))
    found: list[str] = []
    for part in parts:
        for section in SECTIONS.get(part, ()):
            found += _between(was.get(section), now.get(section), section)
    if "data" in parts:
        found += [f"the content of {file.given}" for plan in case.plans for file in plan.all_files
                  if _differs(data / file.given, file.path)]  # fmt: skip
    told = [one for one in found if not one.startswith(LENGTH)]
    more = f" and {len(told) - MOST} more" if len(told) > MOST else ""
    return "; ".join(told[:MOST]) + more


def _between(was: Any, now: Any, key: str) -> Iterator[str]:
    """Yield each key below which two plain values differ, and how."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys((*was, *now)):
            yield from _between(was.get(name), now.get(name), f"{key}.{name}")
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, pair in enumerate(zip(was, now, strict=True)):
            yield from _between(*pair, f"{key}[{number}]")
    elif was != now:
        yield f"{key} was {_short(was)}, is {_short(now)}"


def _short(value: Any) -> str:
    text = "not given" if value is None else repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def _differs(copy: Path, file: Path) -> bool:
    return not copy.is_file() or copy.read_bytes() != file.read_bytes()
