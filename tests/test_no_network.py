"""The tests themselves, and every command that they run, reach no other machine."""

import socket
import subprocess
import sys

import pytest

OUTSIDE = "192.0.2.1"  # of no machine (RFC 5737)
CALLS = {
    "connect": f"socket.create_connection(('{OUTSIDE}', 9), timeout=1)",
    "look up": "socket.getaddrinfo('example.invalid', 80)",
    "datagram": f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('{OUTSIDE}', 9))",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_calls_to_other_machines_are_refused_and_noted(connections, call):
    with pytest.raises(OSError, match="no test may reach another machine"):
        eval(call)
    caught = f"import socket\ntry:\n    {call}\nexcept OSError:\n    pass"  # as telemetry does
    subprocess.run([sys.executable, "-c", caught], check=True)
    assert len(connections.read_text().splitlines()) == 2
    connections.unlink()


def test_calls_to_this_machine_are_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("localhost", "127.0.0.1"):
            socket.create_connection((host, server.getsockname()[1]), timeout=10).close()
