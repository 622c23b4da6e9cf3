"""What every command shares: exit statuses, how findings are printed, how an error is told."""

import re
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final

import typer

from mscale_uq.errors import InputError, MscaleError

FAILED, BAD_INPUT, NOT_MET = 1, 3, 4
GOES_ON = "the same command goes on from here"

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@final
@dataclass(frozen=True)
class Finding:
    """One line of a check: good, bad or (None) for people to judge; what was looked at; what was found."""

    good: bool | None
    what: str
    found: str


def tell(findings: Iterable[Finding]) -> bool:
    """Print findings as they come, and return whether none is bad."""
    bad = 0
    for finding in findings:
        bad += finding.good is False
        mark = {True: "ok   ", False: "BAD  ", None: "     "}[finding.good]
        typer.echo(f"{mark}{finding.what + ': ' if finding.what else ''}{finding.found}")
    return not bad


@contextmanager
def told(debug: bool, stopped: str = "") -> Iterator[None]:
    """Turn an error into one line and an exit status; `stopped` says what is left after an interrupt."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt as stop:
        _say("; ".join(filter(None, ("stopped", str(stop) or stopped))))
        raise typer.Exit(FAILED) from None
    except Exception as error:
        if debug:
            raise
        if isinstance(error, MscaleError):
            _say(str(error))
        elif isinstance(error, OSError) and error.filename is not None:
            _say(f"{error.filename}: {error.strerror}")
        else:
            what = error.msg if isinstance(error, SyntaxError) else error  # whose text has its place, too
            hint = "--debug shows where it comes from"
            _say(f"{type(error).__name__}: {what} ({_place(error)}); hint: {hint}")
        raise typer.Exit(BAD_INPUT if isinstance(error, InputError) else FAILED) from error


def _say(message: str) -> None:
    typer.echo(f"mscale: {message}", err=True)


def _place(error: Exception) -> str:
    """Return file and line; an error of another process brings its traceback, as the text of its cause."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    told = re.findall(r'File "([^"]+)", line (\d+)', str(error.__cause__))
    frames = told or [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    return f"{Path(frames[-1][0]).name}, line {frames[-1][1]}" if frames else "no line known"
