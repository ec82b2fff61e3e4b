"""Applications with a pretended inspector, and ways to ask them."""

import asyncio
from contextlib import contextmanager

from fastapi.testclient import TestClient
from pretend_inspector import PretendInspector
from prometheus_client.parser import text_string_to_metric_families

from reb_pipeline.service.app import create_app
from reb_pipeline.service.settings import ServiceSettings


@contextmanager
def serving(inspector=None, **settings):
    """A client of an application with these settings."""
    app = create_app(inspector or PretendInspector(), ServiceSettings(**settings))
    with TestClient(app) as client:
        yield client


def metrics_of(client):
    """The metrics of an application as Prometheus reads them: value by name and values of labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


def ask(app, path, chunks, headers=()):
    """Call an application as a server does, message by message.

    Returns:
        Status, headers, body of the answer, and how many messages of the request's body were taken.
    """
    taken = 0
    sent = []
    pieces = iter(chunks)

    async def receive():
        nonlocal taken
        taken += 1
        chunk = next(pieces, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    asyncio.run(app(scope, receive, send))
    start, *body = sent
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], found, b"".join(part["body"] for part in body), taken
