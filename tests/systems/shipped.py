"""Shipped cases with other lines."""

from typer.testing import CliRunner

from mscale_uq.catalog import find_case
from mscale_uq.cli.commands import app


def changed(name, folder, *pairs):
    """Write a shipped case with some of its text changed, and return its path."""
    text = find_case(name).read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mscale(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
