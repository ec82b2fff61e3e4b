"""A command whose system calls to other machines, and files below the home directory, are written down."""

import os
import re
import shutil
import subprocess
import sys

TRACED = "trace=connect,sendto,sendmsg,sendmmsg"
# Calls to other addresses than those of this machine, or to the port of name servers.
OUTSIDE = re.compile(r'AF_INET6?\b(?!.*(inet_addr\("127\.|"::1"))|port=htons\(53\)')


class Observed:
    """A command with an empty home, whose system calls are written down where strace works."""

    def __init__(self, folder, *command):
        self.home, self._trace = folder / "home", folder / "trace"
        self.home.mkdir()
        strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", TRACED, "-o", str(self._trace)]
        tried = shutil.which("strace") and subprocess.run([*strace, "true"], check=False)
        self.is_traced = bool(tried) and tried.returncode == 0
        hidden = (
            "ORT_DISABLE_TELEMETRY",
            "DO_NOT_TRACK",
            "HF_HUB_DISABLE_TELEMETRY",
            "MLFLOW_DISABLE_TELEMETRY",
            "CI",
        )
        environment = {name: text for name, text in os.environ.items() if name not in hidden}
        environment |= {"HOME": str(self.home), "XDG_CACHE_HOME": "", "MPLCONFIGDIR": str(folder)}
        self.process = subprocess.Popen(
            [*(strace if self.is_traced else []), sys.executable, *map(str, command)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def assert_nothing_left(self):
        assert [str(path) for path in self.home.rglob("*")] == []
        if self.is_traced:
            lines = self._trace.read_text(errors="replace").splitlines()
            assert [line for line in lines if OUTSIDE.search(line)] == []
