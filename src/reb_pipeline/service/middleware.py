"""Middleware of every request: id, log, metrics, headers for browsers, and limits of the body."""

import asyncio
import logging
from time import perf_counter
from uuid import uuid4

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reb_pipeline.service.metrics import Metrics
from reb_pipeline.service.settings import MIB

logger = logging.getLogger(__name__)

# Headers of every answer: browsers take it for what it says that it is, and show it in no frame of another page.
SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Observation:
    """Gives each request an id, logs and counts it, and answers 500 after an unexpected error.

    It also answers HEAD as GET without the body, and adds the headers for browsers.

    Args:
        app: The application.
        metrics: Metrics that count requests.
        policies: Content security policies of pages by path, added to :data:`POLICY`.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, policies: dict[str, str]) -> None:
        self._app = app
        self._metrics = metrics
        self._policies = policies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        method = scope["method"]
        is_head = method == "HEAD"
        if is_head:
            scope = {**scope, "method": "GET"}
        state = scope.setdefault("state", {})
        request_id = uuid4().hex[:16]
        status: int | str = "none"  # "none" if the service stopped before the answer

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update({**SAFETY, "X-Request-ID": request_id})
                policy = self._policies.get(scope["path"])
                headers["Content-Security-Policy"] = f"{POLICY}; {policy}" if policy else POLICY
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except asyncio.CancelledError:  # the server does not wait longer
            if status == "none":
                text = "The service is stopping."
                await JSONResponse({"detail": text}, 503)(scope, receive, send_with_id)
            raise
        except Exception:
            logger.exception("unexpected error", extra={"fields": {"id": request_id}})
            if status == "none":
                text = f"Internal error: the service's log has it under {request_id}."
                await JSONResponse({"detail": text}, 500)(scope, receive, send_with_id)
        finally:
            seconds = perf_counter() - began
            # The path of the route, not of the request: clients must not create labels.
            path = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(path, status).inc()
            self._metrics.request_seconds.labels(path).observe(seconds)
            fields = {
                "id": request_id,
                "method": method[:16],  # any word that the client likes
                "path": path,
                "status": status,
                "verdict": state.get("verdict"),
                "ms": round(1000 * seconds, 1),
            }
            logger.info("request", extra={"fields": fields})


def declared_length(headers: Headers) -> int:
    """Get the length of a body in bytes as its request declares it; 0 if it does not."""
    declared = headers.get("content-length", "")
    # Python reads no numbers of thousands of digits.
    return int(declared[:20]) if declared.isdecimal() else 0


class BoundedBody:
    """Refuses bodies that are too large, or arrive too slowly, while they arrive.

    Args:
        app: The application.
        mib: Largest size of a body in MiB.
        seconds: Longest time in seconds from the start of reading the body to its end.
    """

    def __init__(self, app: ASGIApp, mib: int, seconds: float) -> None:
        self._app = app
        self._mib = mib
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = declared_length(headers)
        arrived = 0
        deadline: float | None = None
        complete = False

        async def bounded_receive() -> Message:
            nonlocal arrived, deadline, complete
            if (
                complete
            ):  # after the body only the end of the connection follows, without a time limit
                return await receive()
            self._check_length(declared)
            deadline = deadline or asyncio.get_running_loop().time() + self._seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                msg = f"The body did not arrive within {self._seconds:g} s."
                raise HTTPException(408, msg) from error
            arrived += len(message.get("body", b""))
            self._check_length(arrived)
            complete = not message.get("more_body", False)
            return message

        async def closing_send(message: Message) -> None:
            # The server reads over a body that is refused at its begin, so that the client gets to its answer. Others
            # are not read on.
            if message["type"] == "http.response.start" and not complete:
                is_short = deadline is None and declared <= self._mib * MIB
                if "transfer-encoding" in headers or (
                    declared and ("expect" in headers or not is_short)
                ):
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, bounded_receive, closing_send)

    def _check_length(self, length: int) -> None:
        if length > self._mib * MIB:
            raise HTTPException(413, f"The body is longer than {self._mib} MiB.")
