"""`reb-serve` in a process of its own."""

import json
import os
import subprocess
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path

HERE = Path(__file__).parent


class Served:
    """Listens once it is made; its log is collected in `lines`.

    Args:
        command: What Python runs.
        environment: Variables that are added.
    """

    def __init__(self, *command, **environment):
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command), "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["message"] == "listening":
                break
        self.port = self.lines[-1]["port"]
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @classmethod
    def pretending(cls, seconds, *options, **environment):
        """With an inspector that takes so many seconds."""
        return cls(HERE / "service/pretend_inspector.py", seconds, *options, **environment)

    def _read(self):
        self.lines += [json.loads(line) for line in self.process.stderr]

    def post(self, data, query="", **headers):
        """Status and answer of one image."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        body = (
            b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
            + data
            + b"\r\n--x--\r\n"
        )
        headers["Content-Type"] = "multipart/form-data; boundary=x"
        connection.request("POST", f"/inspect{query}", body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def ended(self):
        """The exit status."""
        code = self.process.wait(20)
        self._reader.join()
        return code
