"""``mscale schema``: the form of a case file, for editors and other programs."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mscale_uq.cli.shell import Debug, told

DIALECT = "https://json-schema.org/draft/2020-12/schema"  # the one pydantic writes


def schema(
    out: Annotated[Path | None, typer.Option(help="File to write it into, instead of printing it.")] = None,
    debug: Debug = False,
) -> None:
    """Print the JSON schema of case files.

    Editors that know TOML complete and check a case whose first line is `#:schema FILE`.
    """
    with told(debug):
        text = json.dumps(case_schema(), indent=2) + "\n"
        if out is None:
            typer.echo(text, nl=False)
            return
        from mscale_uq.files import replace

        replace(out, text.encode())


def case_schema() -> dict[str, Any]:
    """Return the JSON schema of a case file."""
    from mscale_uq.case.schema import CaseSpec

    return {"$schema": DIALECT, **CaseSpec.model_json_schema(), "title": "mscale_uq case"}
