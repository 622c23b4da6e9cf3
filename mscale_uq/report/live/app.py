"""The web application behind a live page: the page, its files, the events. Needs the extra ``serve``."""

from collections.abc import AsyncIterator, Collection
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mscale_uq.errors import MscaleError, explain
from mscale_uq.report.live.feed import Says, events
from mscale_uq.report.live.guard import Guard

KINDS = {"live.js": "text/javascript", "plot.js": "text/javascript", "live.css": "text/css"}


def live_app(folder: Path, token: str, hosts: Collection[str], follows: Says, ended: Says = bool) -> Any:
    """Return the guarded application that shows the run in a folder.

    Parameters
    ----------
    folder
        Of the run; it may begin later.
    token, hosts
        As in `Guard`.
    follows, ended
        Whether a process of this server follows the stream; whether the server is about to stop.

    Raises
    ------
    MscaleError
        If FastAPI is not installed.
    """
    fastapi, responses = _needed("fastapi"), _needed("fastapi.responses")
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    page = _page(folder, token)

    @app.get("/")
    async def index() -> Any:
        return responses.HTMLResponse(page)

    async def stream(request: Any) -> Any:
        told = _until_gone(events(folder, request.headers.get("last-event-id", ""), follows, ended), request)
        return responses.StreamingResponse(told, media_type="text/event-stream")

    app.add_route("/events", stream, methods=["GET"])

    @app.get("/{name}")
    async def file(name: str) -> Any:
        if name not in KINDS:
            raise fastapi.HTTPException(404)
        return responses.Response(_text(name), media_type=KINDS[name])

    return Guard(app, token, hosts)


def serve_page(folder: Path, token: str, hosts: Collection[str], follows: Says, host: str, port: int) -> None:
    """Serve the page of the run in a folder until it is stopped.

    Raises
    ------
    MscaleError
        If FastAPI or uvicorn is not installed.
    """
    uvicorn = _needed("uvicorn")
    servers: list[Any] = []
    app = live_app(folder, token, hosts, follows, ended=lambda: servers[0].should_exit)
    settings = {"log_level": "warning", "access_log": False, "timeout_graceful_shutdown": 3}
    servers.append(uvicorn.Server(uvicorn.Config(app, host=host, port=port, **settings)))
    servers[0].run()


async def _until_gone(told: AsyncIterator[str], request: Any) -> AsyncIterator[str]:
    async for text in told:
        if await request.is_disconnected():
            return
        yield text


def _page(folder: Path, token: str) -> str:
    environment = Environment(
        loader=PackageLoader("mscale_uq.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("live.html").render(name=folder.resolve().name, token=token)


def _text(name: str) -> str:
    return (files("mscale_uq.report") / "templates" / name).read_text(encoding="utf-8")


def _needed(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        given = f"a live page needs {name.partition('.')[0]}, which is not installed"
        raise MscaleError(explain(given, hint="pip install 'mscale_uq[serve]'")) from None
