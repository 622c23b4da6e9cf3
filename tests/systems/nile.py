"""The flow of the Nile as a case that follows a stream."""

from typer.testing import CliRunner

from mscale_uq.catalog import data_root, find_case
from mscale_uq.cli.commands import app

FLOWS = (data_root() / "local_level" / "nile.csv").read_text().splitlines()


def mscale(*arguments, input=None):
    return CliRunner().invoke(app, [str(one) for one in arguments], input=input)


def nile_case(folder):
    """Return the file of a case that has the first ten flows, and follows a file with the others."""
    text = find_case("local_level").read_text()
    for old, new in (("local_level/nile.csv", "first.csv"), ("smooth = true", "")):
        text = text.replace(old, new)
    stream = '\n[stream]\nsource = "live.csv"\nreorder_window = "2 year"\n'
    (folder / "nile.toml").write_text(text + stream)
    (folder / "first.csv").write_text("\n".join(FLOWS[:11]) + "\n")
    (folder / "live.csv").write_text("\n".join([FLOWS[0], *FLOWS[11:]]) + "\n")
    return folder / "nile.toml"
