"""Guard of connections, before HTTP is parsed and below any application; for each of uvicorn's HTTP parsers."""

import asyncio
import json
from typing import Any

from starlette.datastructures import Headers
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from reb_pipeline.service.middleware import POLICY, SAFETY, declared_length
from reb_pipeline.service.settings import MIB, ServiceSettings

FIRST_BYTE_SECONDS = 5.0  # from the connection to the first byte of a request
HEADER_SECONDS = 10.0  # from its first byte to the end of its headers
HEADER_BYTES = 16 * 1024  # request line and headers together
PIPELINED = 16  # requests that a client may send ahead of the answers
FRAMING = 1.25  # bytes of a body with its chunk sizes, of those of the body alone


def guarded_protocol(settings: ServiceSettings, most: int) -> type[asyncio.Protocol]:
    """Create a protocol for ``Config`` of uvicorn from the HTTP parser that is installed, h11 or httptools.

    Args:
        settings: Limits of the service.
        most: Largest number of open connections; beyond it the one closes that has waited longest for a request.
    """
    body_bytes = settings.max_upload_mib * MIB
    limits = {"body_bytes": body_bytes, "slow_seconds": settings.upload_seconds, "most": most}
    return type("GuardedProtocol", (_Guard, AutoHTTPProtocol), {**limits, "waiting": {}})


class _Guard(asyncio.Protocol):
    """Mixin before a protocol of uvicorn: limits of time, bytes and number, whichever parser reads the bytes.

    Attributes:
        body_bytes: Largest size of a body.
        slow_seconds: Longest time that a client may take to read an answer.
        most: Largest number of open connections.
        waiting: Connections without a request, the one that has waited longest first.
    """

    body_bytes: int
    slow_seconds: float
    most: int
    waiting: dict["_Guard", None]

    # Attributes of uvicorn's protocols.
    cycle: Any = None
    loop: asyncio.AbstractEventLoop
    server_state: Any
    transport: asyncio.Transport

    _timer: asyncio.TimerHandle | None = None
    _request: Any = None  # the cycle of the request that was seen last
    _arrived = 0  # bytes since the last request began, or was answered
    _allowed = HEADER_BYTES  # bytes until the next request has to begin

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request; close another connection if there are too many."""
        super().connection_made(transport)
        self._wait(FIRST_BYTE_SECONDS)
        if len(self.server_state.connections) > self.most and self.waiting:
            longest = next(iter(self.waiting))
            longest._stop_waiting()
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Give bytes to the parser, in pieces within the limits."""
        while data and not self.transport.is_closing():
            waits = self in self.waiting
            if waits and not self._arrived:
                self._watch(HEADER_SECONDS)
            length = min(HEADER_BYTES, self._allowed - self._arrived) if waits else HEADER_BYTES
            piece, data = data[:length], data[length:]
            self._arrived += len(piece)
            super().data_received(piece)
            self._check(waits)

    def on_response_complete(self) -> None:
        """Wait for the next request, after the rest of a body that the application did not read."""
        rest = declared_length(Headers(scope=self.cycle.scope)) if self.cycle.more_body else 0
        if self.cycle.response_complete:
            self._allowed = HEADER_BYTES + min(rest, self.body_bytes)
            self._wait(self.slow_seconds)  # uvicorn closes idle connections earlier
        super().on_response_complete()  # type: ignore[misc]
        self._check(waits=False)

    def pause_writing(self) -> None:
        """Close the connection if the client does not read its answer in time."""
        super().pause_writing()
        self._watch(self.slow_seconds)

    def resume_writing(self) -> None:
        """Let the answer go on."""
        super().resume_writing()
        if self not in self.waiting:
            self._watch(None)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP, the same with each parser."""
        self._refuse("400 Bad Request", "The request is no valid HTTP.")

    def _check(self, waits: bool) -> None:
        """Notice the begin of a request, and what exceeds a limit."""
        if self.transport.is_closing():
            return
        if self.cycle is not self._request:
            self._request, self._arrived = self.cycle, 0
            self._stop_waiting()
            if len(getattr(self, "pipeline", ())) > PIPELINED:
                self.transport.abort()
        elif waits and self._arrived >= self._allowed:
            self._refuse(
                "431 Request Header Fields Too Large",
                f"The headers are longer than {HEADER_BYTES // 1024} KiB.",
            )
        elif not waits and self._arrived > FRAMING * self.body_bytes + HEADER_BYTES:
            self.transport.abort()

    def _wait(self, seconds: float) -> None:
        self._arrived = 0
        self.waiting.pop(self, None)  # so that it comes last
        self.waiting[self] = None
        self._watch(seconds)

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        self._watch(None)

    def _watch(self, seconds: float | None) -> None:
        """Set the time after which the connection is closed; None for no limit."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = (
            None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
        )

    def _refuse(self, status: str, sentence: str) -> None:
        body = json.dumps({"detail": sentence}).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            "Content-Security-Policy": POLICY,
            **SAFETY,
        }
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self._watch(self.slow_seconds)
        self.transport.close()
