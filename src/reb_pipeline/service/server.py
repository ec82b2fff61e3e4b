"""Server: runs the application on a port until a signal stops it."""

import logging
import signal
import socket
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from reb_pipeline.core.errors import InputError
from reb_pipeline.service.app import create_app
from reb_pipeline.service.connections import guarded_protocol
from reb_pipeline.service.service import Service
from reb_pipeline.service.settings import ServiceSettings

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector

MOST_CONNECTIONS = 1024

logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Server that logs when it listens, and refuses new requests directly after the signal to stop."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; from here a signal stops the server in order."""
        await super().startup(sockets)
        for listener in sockets or []:
            address, port = listener.getsockname()[:2]
            fields = {**self._service.about, "address": address, "port": port}
            logger.info("listening", extra={"fields": fields})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to stop."""
        self._service.turns.stopping = True
        super().handle_exit(sig, frame)


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        InputError: If the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        msg = (
            f"Cannot listen on {host} port {port} ({error}): choose others with --host and --port."
        )
        raise InputError(msg) from error
    # asyncio sets this only on its own sockets. Without it, answers in two pieces take 40 ms longer.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _most_connections() -> int:
    """Take half of the files that the process may open, after raising their number as far as allowed."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS
    if soft < wanted:  # also true for no limit, which is negative
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft < 0 else max(1, min(MOST_CONNECTIONS, soft // 2))


def _stopping_signals() -> list[signal.Signals]:
    """Return the signals that stop the service in order; without SIGHUP where ``nohup`` has it ignored."""
    signals = [signal.SIGTERM, signal.SIGINT]
    # Windows has no SIGHUP.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals


def serve(inspector: "Inspector", settings: ServiceSettings, listener: socket.socket) -> None:
    """Answer requests until SIGTERM, SIGINT or SIGHUP; then finish accepted requests and return.

    Args:
        inspector: The loaded model.
        settings: Limits and the API key.
        listener: Listening socket; closed at the end.
    """
    app = create_app(inspector, settings)
    most = _most_connections()
    config = uvicorn.Config(
        app,
        http=guarded_protocol(settings, most),
        backlog=max(16, most // 4),  # asyncio accepts so many at once, before any is counted
        log_config=None,
        access_log=False,  # the application logs requests itself
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=settings.stop_seconds,
    )
    server = _Server(config, app.state.service)
    for sign in _stopping_signals():
        # Handles signals before the server runs, and those that uvicorn raises again at its end.
        signal.signal(sign, server.handle_exit)
    server.run(sockets=[listener])
