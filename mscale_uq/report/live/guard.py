"""`Guard`: who may see a live page. A web server's gate: host, token, method and size of a request."""

import hmac
from collections.abc import Collection
from typing import Any, final
from urllib.parse import parse_qs

from mscale_uq.errors import InputError, explain

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_BODY = 4096  # bytes; nothing here reads a body
SHORTEST = 16  # letters of a token for other machines
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
)


@final
class Guard:
    """Lets a request through to an ASGI application if it asks this host, knows the token, and only reads.

    Parameters
    ----------
    app
        The application behind.
    token
        What the query ``?token=..`` must say.
    hosts
        Names by which this server may be asked, so that no foreign name can be pointed at it.
    """

    def __init__(self, app: Any, token: str, hosts: Collection[str]) -> None:
        self._app, self._token, self._hosts = app, token.encode(), frozenset(hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer the request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(send, *refusal)
            return

        async def sealed(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        await self._app(scope, receive, sealed)

    def _refusal(self, scope: Any) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        if _name_of(headers.get(b"host", b"").decode("latin-1")) not in self._hosts:
            return 400, "this host is not served here"
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "only reading"
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit() or int(length) > MOST_BODY:
            return 413, "the request is too large"
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), self._token):
            return 403, "the address lacks the token: mscale serve prints it whole"
        return None


def check_reach(host: str, token: str | None) -> None:
    """Refuse to serve other machines without a token that was chosen for it.

    Raises
    ------
    InputError
        If there is none, or it is short.
    """
    if host not in LOOPBACK and (token is None or len(token) < SHORTEST):
        given = f"--host {host}" if token is None else f"--host {host} with a token of {len(token)} letters"
        raise InputError(
            explain(given, f"a --token of at least {SHORTEST} letters", "others could see the page")
        )


def _name_of(host: str) -> str:
    """Return a Host header without its port, and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


async def _answer(send: Any, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
