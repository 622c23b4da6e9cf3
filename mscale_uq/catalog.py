"""The systems and their cases: found by walking the models' folders, imported one at a time."""

import ast
import importlib
import os
from pathlib import Path

from mscale_uq.core.system import System
from mscale_uq.errors import InputError, explain, near_match

ENVIRONMENT = "MSCALE_UQ_MODELS"  # folders of one's own families


def roots() -> tuple[Path, ...]:
    """Return the folders in which families lie: the shipped one, and those in ``MSCALE_UQ_MODELS``."""
    models = importlib.import_module("mscale_uq.models")
    return tuple(dict.fromkeys(Path(folder).resolve() for folder in models.__path__))


def names() -> tuple[str, ...]:
    """Return every system as ``family/system``, sorted."""
    return tuple(sorted(_files(".py")))


def cases() -> tuple[str, ...]:
    """Return every shipped case as ``family/case``, sorted."""
    return tuple(sorted(_files(".toml")))


def cases_by_system() -> dict[str, tuple[str, ...]]:
    """Return system -> names of its cases: the files beside it whose names begin with its own."""
    systems, found = names(), cases()
    owner = {
        case: max((s for s in systems if case == s or case.startswith(f"{s}_")), key=len, default="")
        for case in found
    }
    return {
        system: tuple(case.partition("/")[2] for case in found if owner[case] == system) for system in systems
    }


def summaries() -> dict[str, str]:
    """Return system -> first line of its docstring, read without importing anything."""
    return {name: _first_line(paths[0]) for name, paths in sorted(_files(".py").items())}


def full_name(name: str) -> str:
    """Return the ``family/system`` that `name` (in full, or the part behind the slash) stands for.

    Raises
    ------
    InputError
        If there is no such system, or more than one.
    """
    return _unique(name, names(), "system")


def load_system(name: str) -> System:
    """Return the system of that name, such as ``transport/heat_conduction`` or ``heat_conduction``.

    Raises
    ------
    InputError
        If there is no such system, or its file does not declare it.
    """
    full = full_name(name)
    path = _only(_files(".py")[full], f"systems are called {full!r}")
    module = importlib.import_module(f"mscale_uq.models.{full.replace('/', '.')}")
    system = getattr(module, "SYSTEM", None)
    if not isinstance(system, System):
        raise InputError(explain(f"{path} declares no SYSTEM", "SYSTEM = System(...)"))
    if system.name != full:
        raise InputError(explain(f"{path} declares SYSTEM.name = {system.name!r}", repr(full)))
    return system


def find_case(name_or_path: str | Path) -> Path:
    """Return the case file that a path (with or without ``.toml``) or a shipped name means.

    Raises
    ------
    InputError
        If there is no such file, and no shipped case of that name.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    beside = path.with_name(f"{path.name}.toml")
    if beside.is_file() and not _fitting(str(name_or_path), cases()):
        return beside
    if path.suffix == ".toml" or path.is_dir():
        own = path / "case.toml"  # of a run
        hint = f"{own} is the case of the run in it" if own.is_file() else ""
        allowed = "a TOML file, or a shipped case: `mscale list` names them"
        raise InputError(explain(f"no case file {str(path)!r}", allowed, hint))
    full = _unique(str(name_or_path), cases(), "case")
    return _only(_files(".toml")[full], f"cases are called {full!r}")


def sources(name: str) -> tuple[Path, ...]:
    """Return the file of a system, and those that its family shares (``_<source>.py``) and it imports."""
    found = [_files(".py")[full_name(name)][0]]
    for path in found:  # grows as it is walked: what is shared may itself import what is shared
        imported = _imported_words(path)
        shared = sorted(path.parent.glob("_*.py"))
        found += [other for other in shared if other.stem in imported and other not in found]
    return tuple(found)


def is_system_alone(name: str) -> bool:
    """Whether a name is that of a system, and neither a shipped case's nor a file's."""
    return bool(_fitting(name, names())) and not _fitting(name, cases()) and not Path(name).is_file()


def data_root() -> Path:
    """Return the folder of the shipped data: inside the wheel, or the checkout's top-level ``data/``."""
    package = Path(__file__).resolve().parent
    inside = package / "data"
    return inside if inside.is_dir() else package.parent / "data"


def _files(suffix: str) -> dict[str, list[Path]]:
    """Return ``family/stem`` -> its files, in the order of the path; `_only` refuses more than one."""
    found: dict[str, list[Path]] = {}
    for root in roots():
        for path in root.glob(f"*/*{suffix}"):
            if not path.name.startswith("_") and (path.parent / "__init__.py").is_file():
                found.setdefault(f"{path.parent.name}/{path.stem}", []).append(path)
    return found


def _only(paths: list[Path], what: str) -> Path:
    if len(paths) > 1:
        listed = " and ".join(map(str, paths))
        raise InputError(explain(f"{len(paths)} {what}: {listed}", "one", "rename your own"))
    return paths[0]


def _imported_words(path: Path) -> set[str]:
    """Return every word of the import statements of a file."""
    words: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            words.update(word for alias in node.names for word in alias.name.split("."))
            words.update((getattr(node, "module", None) or "").split("."))
    return words


def _unique(name: str, known: tuple[str, ...], what: str) -> str:
    fits = _fitting(name, known)
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise InputError(explain(f"{what} {name!r} has more than one meaning", ", ".join(fits)))
    short = [full.partition("/")[2] for full in known]
    near = near_match(name, [*known, *short])
    hint = "" if near or os.environ.get(ENVIRONMENT) else f"one of your own: {ENVIRONMENT} names its folder"
    allowed = f"one of the {len(known)} that `mscale list` names" if known else "none is installed"
    raise InputError(explain(f"no {what} {name!r}{near}", allowed, hint))


def _fitting(name: str, known: tuple[str, ...]) -> list[str]:
    return [full for full in known if name in (full, full.partition("/")[2])]


def _first_line(path: Path) -> str:
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, UnicodeDecodeError) as error:
        return f"(cannot be read: {error})"
    return text.partition("\n")[0] if text else "(no docstring)"
