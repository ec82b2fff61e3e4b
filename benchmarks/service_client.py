"""Started service and its clients, for ``benchmarks/service_load.py``."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException

BOUNDARY = "part"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


class Client:
    """One connection that is kept, as a camera's program would."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, body: bytes, path: str = "/inspect", kind: str = FORM) -> int:
        """The status of the answer; 0 where the connection broke."""
        try:
            self.connection.request("POST", path, body, {"Content-Type": kind})
            response = self.connection.getresponse()
            response.read()
        except (OSError, HTTPException):
            self.connection.close()
            return 0
        return response.status

    def raw(self, data: bytes) -> int:
        """The status of the answer to bytes on a connection of their own, which is closed after it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            try:
                connection.sendall(data)
                found = connection.recv(100)
            except OSError:
                return 0
        return int(found.split()[1]) if found.startswith(b"HTTP/1.1 ") else 0

    def leave(self, data: bytes) -> int:
        """Send bytes and go without an answer."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 60) as opened:
            opened.sendall(data)
        return 0

    def hang_up(self) -> int:
        """Announce a body, send a part of it, and go."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest("POST", "/inspect")
        connection.putheader("Content-Type", FORM)
        connection.putheader("Content-Length", "100000")
        connection.endheaders(b"--" + BOUNDARY.encode())
        connection.close()
        return 0


def form(data: bytes, field: str = "image") -> bytes:
    """A file as multipart/form-data."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="a"\r\n\r\n'
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


class Log:
    """Count what a service wrote: bytes, and lines of errors."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self.errors: list[dict] = []

    def of(self, lines: Iterable[str]) -> Iterator[dict]:
        """Count lines and read them."""
        for line in lines:
            self.n_bytes += len(line)
            found = json.loads(line)
            if found["level"] == "ERROR":
                self.errors.append(found)
            yield found


@contextmanager
def served(
    model: str, *options: str, parser: str = "", n_files: int = 0
) -> Iterator[tuple[int, int, Log]]:
    """`reb-serve`: its process id, its port and its log.

    It has to be alive at the end, to stop when it is told to, and to have logged no error. h11 stands for a
    plain installation, without httptools and uvloop. At most ``n_files`` files may be open.
    """
    code = "from reb_pipeline.service.cli import main; sys.exit(main(sys.argv[1:]))"
    if parser == "h11":
        code = f"sys.modules['httptools'] = sys.modules['uvloop'] = None; {code}"
    if n_files:
        limit = f"resource.setrlimit(resource.RLIMIT_NOFILE, ({n_files}, {n_files}))"
        code = f"import resource; {limit}; {code}"
    command = [sys.executable, "-c", f"import sys; {code}", "--model", model, "--port", "0"]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    kept = Log()
    log = kept.of(process.stderr)

    def read_log() -> None:  # a full pipe would stop the service
        for _ in log:
            pass

    reader = threading.Thread(target=read_log, daemon=True)
    try:
        port = next(line["port"] for line in log if line["message"] == "listening")
        reader.start()
        yield process.pid, port, kept
        assert process.poll() is None, f"the service ended with {process.returncode}"
        process.terminate()
        assert process.wait(60) == 0
        reader.join()
        assert n_files or not kept.errors, kept.errors
    finally:
        process.kill()
