"""Middleware of every request: id, log, metrics, and limits of the body."""

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


class Observation:
    """Gives each request an id, logs and counts it, and answers 500 after an unexpected error.

    Args:
        app: The application.
        metrics: Metrics that count requests.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        state = scope.setdefault("state", {})
        request_id = uuid4().hex[:16]
        status: int | str = "none"  # "none" if the service stopped before the answer

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
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
                "method": scope["method"],
                "path": path,
                "status": status,
                "verdict": state.get("verdict"),
                "ms": round(1000 * seconds, 1),
            }
            logger.info("request", extra={"fields": fields})


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
        declared = Headers(scope=scope).get("content-length", "")
        arrived = 0
        deadline: float | None = None
        complete = False

        async def bounded_receive() -> Message:
            nonlocal arrived, deadline, complete
            if (
                complete
            ):  # after the body only the end of the connection follows, without a time limit
                return await receive()
            self._check_length(int(declared) if declared.isdecimal() else 0)
            deadline = deadline or asyncio.get_running_loop().time() + self._seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                msg = f"The body did not arrive within {self._seconds:g} s."
                raise HTTPException(408, msg, headers={"Connection": "close"}) from error
            arrived += len(message.get("body", b""))
            self._check_length(arrived)
            complete = not message.get("more_body", False)
            return message

        await self._app(scope, bounded_receive, send)

    def _check_length(self, length: int) -> None:
        if length > self._mib * MIB:
            raise HTTPException(413, f"The body is longer than {self._mib} MiB.")
