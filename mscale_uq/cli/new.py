"""``mscale new``: a commented system with its case and data, which run as they are."""

import keyword
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from mscale_uq.cli.shell import Debug, told
from mscale_uq.errors import InputError, explain

FAMILY = "mine"  # of a name that says no other
ENVIRONMENT = "MSCALE_UQ_MODELS"


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the system: plate, or family/plate.")],
    models: Annotated[
        Path | None, typer.Option(help="Folder of the families; $MSCALE_UQ_MODELS or ./models if not said.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Write a commented system with case and data.

    They run as they are, and are there to be changed.
    """
    with told(debug):
        family, system = checked_name(name)
        root = (models or _home()).resolve()
        made = contents(root / family, family, system)
        write(made)
    for path in made:
        typer.echo(f"made {_short(path)}")
    typer.echo("next:")
    for line in _next_steps(root, system):
        typer.echo(f"  {line}")


def checked_name(name: str) -> tuple[str, str]:
    """Return family and system.

    Raises
    ------
    InputError
        If they cannot be names in Python, or a system or case of that name is there already.
    """
    from mscale_uq.catalog import cases, names

    family, _, system = name.rpartition("/")
    family = family or FAMILY
    for part in (family, system):
        if not part.isidentifier() or keyword.iskeyword(part) or part.startswith("_") or not part.isascii():
            better = re.sub(r"\W+", "_", part, flags=re.ASCII).strip("_").lower()
            hint = f"{better!r} would do" if better.isidentifier() and not keyword.iskeyword(better) else ""
            allowed = "letters, digits and _, a letter first, no word of Python"
            raise InputError(explain(f"{part!r} cannot be a name", allowed, hint))
    for taken in (*names(), *cases()):
        if system == taken.partition("/")[2]:
            raise InputError(
                explain(f"there is {taken!r} already", "another name", "`mscale list` shows all")
            )
    return family, system


def contents(folder: Path, family: str, system: str) -> dict[Path, str]:
    """Return what is written where; the family's ``__init__.py`` only if there is none."""
    templates = files("mscale_uq.cli") / "templates"
    places = {
        folder / f"{system}.py": "system.py",
        folder / f"{system}.toml": "case.toml",
        folder / system / "readings.csv": "readings.csv",
        folder / system / "README.md": "README.md",
    }
    made = {path: (templates / name).read_text(encoding="utf-8") for path, name in places.items()}
    for old, own in (("family_name", family), ("system_name", system)):
        made = {path: text.replace(old, own) for path, text in made.items()}
    package = folder / "__init__.py"
    return made if package.exists() else {package: f'"""The family {family}."""\n', **made}


def write(made: dict[Path, str]) -> None:
    """Write all files, or none.

    Raises
    ------
    InputError
        If one of them is there already, or cannot be written.
    """
    there = [path for path in made if path.exists()]
    if there:
        raise InputError(explain(f"{there[0]} is there already", "a new file", "another name, or move it"))
    written: list[Path] = []
    try:
        for path, text in made.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        given = f"cannot write {error.filename}: {error.strerror}"
        raise InputError(explain(given, "a folder of your own", "--models FOLDER")) from None


def _home() -> Path:
    private = [folder for folder in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if folder]
    return Path(private[0] if private else "models")


def _next_steps(root: Path, system: str) -> list[str]:
    from mscale_uq.catalog import roots

    seen = root in roots()
    others = f"{os.pathsep}${ENVIRONMENT}" if os.environ.get(ENVIRONMENT) else ""
    export = [] if seen else [f'export {ENVIRONMENT}="{root}{others}"  # also into your shell\'s start file']
    return [*export, f"mscale check {system}", f"mscale fit {system}"]


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
