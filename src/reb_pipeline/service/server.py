"""Server: runs the application on a port until a signal stops it."""

import logging
import signal
import socket
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from reb_pipeline.core.errors import InputError
from reb_pipeline.service.app import create_app
from reb_pipeline.service.service import Service
from reb_pipeline.service.settings import ServiceSettings

if TYPE_CHECKING:
    from reb_pipeline.inspection.inspector import Inspector

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


def serve(inspector: "Inspector", settings: ServiceSettings, listener: socket.socket) -> None:
    """Answer requests until SIGTERM or SIGINT; then finish accepted requests and return.

    Args:
        inspector: The loaded model.
        settings: Limits and the API key.
        listener: Listening socket; closed at the end.
    """
    app = create_app(inspector, settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # the application logs requests itself
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=settings.stop_seconds,
    )
    server = _Server(config, app.state.service)
    for sign in (signal.SIGTERM, signal.SIGINT):
        # Handles signals before the server runs, and those that uvicorn raises again at its end.
        signal.signal(sign, server.handle_exit)
    server.run(sockets=[listener])
