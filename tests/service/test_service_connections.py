"""Connections below HTTP, with each parser: silent, slow, many, too long, broken."""

import logging
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.client import HTTPConnection

import pytest
import uvicorn
from pretend_inspector import PretendInspector
from uploads_made import image_file

from reb_pipeline.service import connections
from reb_pipeline.service.app import create_app
from reb_pipeline.service.server import listen
from reb_pipeline.service.settings import MIB, ServiceSettings
from served import Served

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /inspect HTTP/1.1\r\nHost: x\r\n"
# As a shell's `ulimit -n`, then the program.
FEW_FILES = (
    "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128)); "
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


@pytest.fixture(params=["h11", "httptools"])
def parser(request, monkeypatch):
    pytest.importorskip(request.param)
    module = pytest.importorskip(f"uvicorn.protocols.http.{request.param}_impl")
    protocol = module.H11Protocol if request.param == "h11" else module.HttpToolsProtocol
    monkeypatch.setattr(connections, "AutoHTTPProtocol", protocol)
    return request.param


@contextmanager
def running(inspector=None, most=50, **settings):
    """The port of a server in a thread, and the server."""
    given = ServiceSettings(**settings)
    app = create_app(inspector or PretendInspector(), given)
    http = connections.guarded_protocol(given, most)
    server = uvicorn.Server(uvicorn.Config(app, http=http, log_config=None, access_log=False))
    listener = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1], server
    finally:
        server.should_exit = True
        thread.join(20)


def connect(port, data=b""):
    opened = socket.create_connection(("127.0.0.1", port), timeout=20)
    opened.sendall(data)
    return opened


def answer(opened):
    """All that comes until the end of the connection, also an end by force."""
    found = b""
    with suppress(ConnectionError):
        while piece := opened.recv(65536):
            found += piece
    return found


def healthy(port):
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/health")
    status = connection.getresponse().status
    connection.close()
    return status == 200


def eventually(condition):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("did not happen within 8 s")


def test_silent_and_slow_connections_end(parser, monkeypatch):
    monkeypatch.setattr(connections, "FIRST_BYTE_SECONDS", 0.3)
    monkeypatch.setattr(connections, "HEADER_SECONDS", 1.0)
    with running() as (port, server):
        silent, slow, again = connect(port), connect(port, b"G"), connect(port, GET + b"\r\n")
        assert again.recv(65536).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        ended = set()
        while len(ended) < 2 and time.monotonic() - began < 10:
            for one in (slow, again):  # a byte of headers now and then
                try:
                    one.sendall(b"G" if one is slow else b"")
                    one.settimeout(0.1)
                    if not one.recv(100):
                        ended.add(one)
                except TimeoutError:
                    if one is again:
                        one.sendall(b"G")
                except ConnectionError:
                    ended.add(one)
        assert len(ended) == 2
        assert answer(silent) == b""
        eventually(lambda: not server.server_state.connections)


def test_silent_connections_make_room_for_others(parser, caplog):
    with running(most=10) as (port, server):
        silent = [connect(port) for _ in range(60)]
        assert healthy(port)
        eventually(lambda: len(server.server_state.connections) <= 10)
        assert healthy(port)
        for one in silent:
            one.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


LONG = {
    "one header": GET + b"X: " + 100_000 * b"x",
    "many headers": GET + b"".join(b"X-%d: 1\r\n" % k for k in range(10_000)),
    "the line of the request": b"GET /" + 100_000 * b"x",
    "the key": POST + b"X-API-Key: " + 100_000 * b"x",
}


@pytest.mark.parametrize("kind", LONG)
def test_long_headers_are_refused_before_they_are_read(parser, kind):
    with running(api_key="secret") as (port, _):
        opened = connect(port)
        with suppress(ConnectionError):
            opened.sendall(LONG[kind])
        found = answer(opened)
        assert found.startswith(b"HTTP/1.1 431 "), found
        assert b"nosniff" in found
        assert b"16 KiB" in found
        assert (
            connect(port, GET + b"Connection: close\r\nX: " + 15_000 * b"x" + b"\r\n\r\n")
            .recv(100)
            .startswith(b"HTTP/1.1 200")
        )


def test_what_is_no_http_is_answered_the_same_with_each_parser(parser):
    with running() as (port, _):
        found = answer(connect(port, b"\x16\x03\x01\x02\r\n\r\n\0\0"))
        assert found.startswith(b"HTTP/1.1 400 "), found
        for header in (b"nosniff", b"frame-ancestors 'none'", b"X-Frame-Options: DENY"):
            assert header in found
        assert found.endswith(b'{"detail": "The request is no valid HTTP."}')


@pytest.mark.parametrize("length", [b"Content-Length: 90000000", b"Transfer-Encoding: chunked"])
def test_a_body_is_not_read_on_after_413(parser, length):
    head = POST + b"Content-Type: multipart/form-data; boundary=x\r\n" + length + b"\r\n\r\n"
    piece = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    piece += bytes(MIB - len(piece))
    with running(max_upload_mib=1) as (port, _):
        opened = connect(port, head)
        sent = 0
        with suppress(ConnectionError):
            for _ in range(80):
                if b"chunked" in length:
                    opened.sendall(b"100000\r\n" + piece + b"\r\n")
                else:
                    opened.sendall(piece)
                sent += 1
        assert sent < 40  # what fits into the buffers of the system
        found = answer(opened)
        assert found.startswith(b"HTTP/1.1 413 ") or not found  # the end by force may come first
        assert healthy(port)


def test_413_is_read_by_a_client_that_waits_for_it(parser):
    head = (
        POST + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 90000000\r\n\r\n"
    )
    with running(max_upload_mib=1) as (port, _):
        found = answer(connect(port, head)).lower()
        assert found.startswith(b"http/1.1 413 ")
        assert b"connection: close" in found


def test_a_connection_goes_on_after_a_short_body_that_was_refused(parser):
    with running(api_key="secret") as (port, _):
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        for _ in range(3):
            connection.request("POST", "/inspect", bytes(300_000))
            refused = connection.getresponse()
            refused.read()
            assert refused.status == 401
            local = connection.sock.getsockname()
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        assert connection.sock.getsockname() == local


def test_requests_sent_far_ahead_end_the_connection(parser):
    with running() as (port, server):
        opened = connect(port)
        with suppress(ConnectionError):
            opened.sendall(5_000 * (GET + b"\r\n"))
        if parser == "httptools":  # h11 reads one request at a time
            assert answer(opened).count(b"HTTP/1.1 200") < 2_000
        opened.close()
        assert healthy(port)
        eventually(lambda: not server.server_state.connections)


def test_a_client_that_does_not_read_its_answers_is_left(parser):
    with running(upload_seconds=1) as (port, server):
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.connect(("127.0.0.1", port))
        script = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
        opened.sendall(10 * script)
        eventually(lambda: server.server_state.connections)
        eventually(lambda: not server.server_state.connections)
        opened.close()


class Counting(PretendInspector):
    """An inspector that counts images."""

    inspected = 0

    def inspect(self, image):
        self.inspected += 1
        return super().inspect(image)


def upload(name, *images):
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\n%s\r\n'
        % (name, one)
        for one in images
    )
    body = parts + b"--x--\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return b"Content-Type: multipart/form-data; boundary=x\r\n" + length + body


def test_work_stops_for_a_client_that_hung_up(parser):
    gate = threading.Event()
    inspector = Counting(gate)
    with running(inspector, queue=3) as (port, server):
        turns = server.config.app.state.service.turns
        waiting = connect(port, POST + upload(b"image", image_file()))
        eventually(lambda: inspector.inspected == 1)
        batch = POST.replace(b"/inspect", b"/inspect/batch") + upload(
            b"images", *5 * [image_file()]
        )
        gone = [connect(port, batch) for _ in range(3)]
        eventually(lambda: turns._taken == 4)
        for one in gone:
            one.close()
        eventually(lambda: turns._taken == 1)  # their places are free before anything else ends
        gate.set()
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")
        assert inspector.inspected == 1
        metrics = server.config.app.state.service.metrics.text().decode()
        assert "\nreb_queue_depth 0.0\n" in metrics
        waiting.close()


def test_a_batch_stops_when_its_client_hangs_up(parser):
    inspector = Counting(seconds=0.3)
    batch = POST.replace(b"/inspect", b"/inspect/batch") + upload(b"images", *20 * [image_file()])
    with running(inspector) as (port, server):
        opened = connect(port, batch)
        eventually(lambda: inspector.inspected >= 1)
        opened.close()
        eventually(lambda: not server.config.app.state.service.turns._taken)
        assert inspector.inspected < 15


@pytest.mark.parametrize("parser_hidden", [False, True])
def test_silent_connections_beyond_the_files_that_may_be_open(tmp_path, parser_hidden):
    environment = {}
    if parser_hidden:  # then uvicorn takes h11 and the loop of asyncio
        for name in ("httptools", "uvloop"):
            (tmp_path / f"{name}.py").write_text("raise ImportError")
        environment["PYTHONPATH"] = f"{tmp_path}:{':'.join(filter(None, sys.path))}"
    program = str(Served.pretending.__globals__["HERE"] / "service/pretend_inspector.py")
    served = Served("-c", FEW_FILES, program, 0, **environment)
    silent = []
    for _ in range(300):
        with suppress(OSError):
            silent.append(connect(served.port))
    for _ in range(3):
        assert served.post(image_file())[0] == 200
    for one in silent:
        one.close()
    served.process.terminate()
    assert served.ended() == 0
    assert len(served.lines) < 150


def test_the_longest_body_in_small_chunks_is_taken(parser):
    image = image_file()
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    filler = bytes(MIB - len(head) - len(image) - 9)
    body = head + image + filler + b"\r\n--x--\r\n"
    assert len(body) == MIB
    chunks = [body[k : k + 100] for k in range(0, len(body), 100)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    headers = b"Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with running(max_upload_mib=1) as (port, _):
        assert connect(port, POST + headers + framed).recv(100).startswith(b"HTTP/1.1 200")
