"""Refuses and records connections to other machines, and looking up their names, in a Python process.

The calls that Python's audit events report: of libraries in C those under ``strace`` in ``observed.py`` are checked.
"""

import os
import socket
import sys

LOG = "REB_TESTS_CONNECTIONS"  # environment variable with the path of the file of refused calls
_OWN = "REB_TESTS_OWN_ADDRESS"  # environment variable with this machine's address
_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_SENT = ("socket.connect", "socket.sendto", "socket.sendmsg")
_HERE = ("", "localhost", "::1", "0.0.0.0", "::")


class ConnectionOutsideError(OSError):
    """Error of a call that would reach another machine."""


def install() -> None:
    """Watch this process from now on."""
    if _OWN not in os.environ:  # once for all processes, whose system calls may be written down
        os.environ[_OWN] = _own_address()
    here = {*_HERE, socket.gethostname(), os.environ[_OWN]}
    sys.addaudithook(lambda event, arguments: _refuse(event, arguments, here))


def _own_address() -> str:
    """Find this machine's address in its network, as Dask does; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        try:
            connection.connect(("8.8.8.8", 80))
        except OSError:  # no network at all
            return ""
        return str(connection.getsockname()[0])


def _refuse(event: str, arguments: tuple, here: set[str]) -> None:
    if event in _LOOK_UPS:
        host = arguments[0]
    elif event in _SENT:
        connection, address = arguments
        # A datagram socket that is connected sends nothing: so programs find their own address.
        asks_for_route = event == "socket.connect" and connection.type == socket.SOCK_DGRAM
        if asks_for_route or not isinstance(address, tuple):
            return
        host = address[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host or ""
    if host in here or host.startswith("127."):
        return
    call = f"{event} {host}"
    if path := os.environ.get(LOG):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{call}\n")
    raise ConnectionOutsideError(f"no test may reach another machine: {call}")
