"""``mscale serve``: a live page of a stream, for the screen on the wall."""

import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from mscale_uq.cli.shell import GOES_ON, Debug, told


def serve(
    what: Annotated[
        str, typer.Argument(metavar="CASE|RUN", help="A case to follow, or the folder of a run.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of a case's run, as for assimilate.")] = None,
    source: Annotated[str | None, typer.Option(help="Source of a case's stream, as for assimilate.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others can see it only if you say so.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8765,
    token: Annotated[str | None, typer.Option(help="What the address must hold; needed with --host.")] = None,
    debug: Debug = False,
) -> None:
    """Show a stream on a page that draws itself anew as readings come; a case is followed meanwhile."""
    with told(debug, GOES_ON):
        from mscale_uq.report.live.app import serve_page
        from mscale_uq.report.live.guard import LOOPBACK, check_reach

        check_reach(host, token)
        folder, command = _chosen(what, out, source)
        chosen = token or secrets.token_urlsafe(24)
        signal.signal(
            signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
        )  # as Ctrl-C does, so that the follower ends too
        follower = None if command is None else subprocess.Popen(command)
        try:
            follows = lambda: follower is None or follower.poll() is None  # noqa: E731
            shown = f"[{host}]" if ":" in host else host
            typer.echo(f"http://{shown}:{port}/?token={quote(chosen)}")
            serve_page(folder, chosen, {*LOOPBACK, *_names(host)}, follows, host, port)
        finally:
            if follower is not None:
                follower.terminate()
                follower.wait()


def _chosen(what: str, out: Path | None, source: str | None) -> tuple[Path, list[str] | None]:
    """Return the folder to show, and the command that follows its stream, if that is asked for."""
    from mscale_uq.stream.view import View

    if Path(what).is_dir() and (out is None and source is None):
        View(Path(what)).close()  # or it says what is missing
        return Path(what), None
    from mscale_uq.case.read import read_case
    from mscale_uq.catalog import find_case
    from mscale_uq.errors import CaseError, explain

    path = find_case(what)
    case = read_case(path, stream_source=source)
    if case.live is None:
        raise CaseError(explain(f"{path.name}: no section [stream]", "a case that follows a stream"))
    folder = out if out is not None else Path("runs") / f"{case.name}-assimilated"
    command = [sys.executable, "-m", "mscale_uq", "assimilate", str(path), "--out", str(folder)]
    return folder, [*command, *([] if source is None else ["--source", source])]


def _names(host: str) -> set[str]:
    """Return by which names a server at an address is asked: all of this machine's, if it listens to all."""
    import socket

    if host not in ("0.0.0.0", "::"):  # every address of this machine
        return {host}
    name = socket.gethostname()
    addresses = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    return {name.lower(), socket.getfqdn().lower(), *addresses}
