"""A command whose output folder is a disk of its own (tmpfs), with little room or read-only.

As a script it runs within namespaces of its own: ``small_disk.py FOLDER CONTENT ROOM COMMAND …``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_NAMESPACES = (["unshare", "-m"], ["unshare", "-rm"])
_BLOCK, _LIST = 4096, 2 * 2**20  # bytes; names of files take some as well
READ_ONLY = -1  # in the place of the room


def run_on_small_disk(folder, room, *command, content=None, cwd=None):
    """Run a command while there is a small disk at a folder; skips the test where that is not permitted.

    Args:
        folder: The folder, output of the command.
        room: Free bytes of the disk, or READ_ONLY.
        command: Arguments of Python.
        content: Folder that is copied there before; None leaves the disk empty.
        cwd: Working directory.

    Returns:
        The finished process; the last line of its output lists the unfinished files that it left.
    """
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    permitted = (
        one
        for one in _NAMESPACES
        if shutil.which(one[0])
        and not subprocess.run([*one, *mount], capture_output=True, check=False).returncode
    )
    namespace = next(permitted, None)
    if namespace is None:
        pytest.skip("needs the permission to mount a disk")
    return subprocess.run(
        [*namespace, sys.executable, __file__, folder, content or folder, str(room), *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "COLUMNS": "200"},
    )


def _main(folder, content, room, *command):
    files = [path for path in Path(content).rglob("*") if path.is_file()]
    size = sum(-(-path.stat().st_size // _BLOCK) * _BLOCK for path in files) + _LIST
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    subprocess.run(mount, check=True)
    if content != folder:
        shutil.copytree(content, folder, dirs_exist_ok=True)
    if room == str(READ_ONLY):
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    else:
        free = shutil.disk_usage(folder).free - int(room)
        Path(folder, "ballast").write_bytes(bytes(free))
    code = subprocess.run([sys.executable, *command], check=False).returncode
    left = [str(path.relative_to(folder)) for path in Path(folder).rglob("*.partial")]
    sys.stdout.write(f"left: {left}\n")
    sys.exit(code)


if __name__ == "__main__":
    _main(*sys.argv[1:])
