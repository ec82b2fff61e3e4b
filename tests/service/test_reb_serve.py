"""The command: its errors, its start, its end."""

import json
import math
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor

import pytest
from pretend_inspector import PretendInspector
from uploads_made import image_file

from conftest import ROOT
from reb_pipeline.core.errors import InputError
from reb_pipeline.service import cli, logs
from reb_pipeline.service.server import listen
from served import Served


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No key, and no handlers that would outlive a test."""
    monkeypatch.delenv(cli.KEY_VARIABLE, raising=False)
    monkeypatch.setattr(logs, "log_as_json_lines", lambda: None)


@pytest.fixture
def loading(monkeypatch):
    """Loading a model always works."""
    from reb_pipeline.inspection.inspector import Inspector

    monkeypatch.setattr(Inspector, "load", classmethod(lambda *_: PretendInspector()))


def test_the_signal_lets_what_was_let_in_end_and_nothing_else_in():
    served = Served.pretending(0.8, "--queue", "4")
    with ThreadPoolExecutor() as pool:
        held = [pool.submit(served.post, image_file()) for _ in range(3)]
        time.sleep(0.4)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        with pytest.raises(OSError, match=r"refused|reset"):
            socket.create_connection(("127.0.0.1", served.port), 1).close()
        assert [future.result()[0] for future in held] == [200] * 3
    assert served.ended() == 0
    requests = [line for line in served.lines if line["message"] == "request"]
    assert [line["status"] for line in requests] == [200] * 3
    assert not [line for line in served.lines if line["level"] == "ERROR"]


def test_it_does_not_wait_longer_than_it_may():
    served = Served.pretending(3, "--stop-seconds", "1")
    with ThreadPoolExecutor() as pool:
        held = [pool.submit(served.post, image_file()) for _ in range(3)]
        time.sleep(0.4)
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert served.ended() == 0
        assert time.monotonic() - began < 6  # three would take nine seconds
        assert all(future.exception() or future.result()[0] != 200 for future in held)


def test_ctrl_c_is_a_way_to_end():
    served = Served.pretending(0)
    served.process.send_signal(signal.SIGINT)
    assert served.ended() == 0


def test_the_key_comes_from_the_environment():
    served = Served.pretending(0, REB_API_KEY="secret")
    assert served.post(image_file())[0] == 401
    assert served.post(image_file(), **{"X-API-Key": "secret"})[0] == 200
    served.process.terminate()
    assert served.ended() == 0
    assert "secret" not in json.dumps(served.lines)


def test_the_key_comes_from_a_file_before_the_environment(tmp_path, monkeypatch):
    (tmp_path / "key").write_text("from file\n")
    monkeypatch.setenv(cli.KEY_VARIABLE, "from environment")
    assert cli._settings(tmp_path / "key", {}).api_key.get_secret_value() == "from file"
    assert cli._settings(None, {}).api_key.get_secret_value() == "from environment"


@pytest.mark.parametrize(
    ("options", "key", "sentence"),
    [
        (["--workers", "0"], None, r"--workers 0 cannot be used: .*greater than 0"),
        (["--queue", "-1"], None, r"--queue -1 cannot be used"),
        ([], " ", r"The API key in REB_API_KEY is empty"),
        (["--api-key-file", "{tmp}/missing"], None, r"cannot be read from '.*missing'"),
        (["--api-key-file", "{tmp}/empty"], None, r"The API key in '.*empty' is empty"),
        (["--port", "{taken}"], None, r"Cannot listen on 127\.0\.0\.1 port \d+ "),
        (["--port", "70000"], None, r"Cannot listen on 127\.0\.0\.1 port 70000"),
        (["--host", "no.such.host.invalid"], None, r"Cannot listen on no\.such\.host\.invalid"),
    ],
)
def test_what_the_user_has_to_change_is_one_sentence(
    loading, options, key, sentence, tmp_path, monkeypatch, capsys
):
    (tmp_path / "empty").touch()
    if key is not None:
        monkeypatch.setenv(cli.KEY_VARIABLE, key)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        filled = [o.format(tmp=tmp_path, taken=taken.getsockname()[1]) for o in options]
        assert cli.main(["--model", "x", *filled]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("Error: ")
    assert re.search(sentence, error), error


def test_a_model_that_is_not_there(tmp_path, capsys):
    assert cli.main(["--model", str(tmp_path / "nothing")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("Error: ")
    assert "nothing" in error


def test_the_folder_above_the_versions_gives_the_newest_model(monkeypatch, tmp_path):
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.service import server

    for version in ("2026-01-01", "2026-02-01"):
        (tmp_path / version / "model").mkdir(parents=True)
        (tmp_path / version / "model/model.json").touch()
    loaded = []
    monkeypatch.setattr(
        Inspector, "load", lambda path, *_: loaded.append(path) or PretendInspector()
    )
    monkeypatch.setattr(server, "serve", lambda inspector, settings, listener: listener.close())
    assert cli.main(["--model", str(tmp_path), "--port", "0"]) == 0
    assert loaded == [f"{tmp_path}/2026-02-01/model"]


def test_a_model_that_can_flag_nothing_needs_permission(monkeypatch, capsys):
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.service import server

    monkeypatch.setattr(Inspector, "load", lambda *_: PretendInspector(threshold=math.inf))
    served = []
    monkeypatch.setattr(server, "serve", lambda *given: served.append(given))
    assert cli.main(["--model", "x", "--port", "0"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(
        r"Error: The model of screw can call no part good or defective: 2 images .*"
        r"or set --allow-undecided to take it as it is\.",
        error,
    )
    assert not served
    assert cli.main(["--model", "x", "--port", "0", "--allow-undecided"]) == 0
    ((_, _, listener),) = served
    listener.close()


EXTRA = ("fastapi", "fastapi_offline", "prometheus_client", "python_multipart", "uvicorn")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--marks", "{tmp}/no/marks.json"],
            "is not there: make it, or give another file of marks",
        ),
        (["--marks", "{tmp}"], "cannot be read"),
        (["--threshold", "{tmp}/none.json"], "none.json' cannot be read"),
        (["--threshold", "a", "--false-alarm-rate", "2%"], "leave --false-alarm-rate out"),
    ],
)
def test_files_and_rates_that_cannot_be_used_are_refused(
    loading, options, sentence, tmp_path, capsys
):
    filled = [option.format(tmp=tmp_path) for option in options]
    assert cli.main(["--model", "x", "--port", "0", *filled]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("Error: ")
    assert sentence in error


def test_the_service_takes_another_rate(monkeypatch):
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.service import server

    given = []

    def load(path, engine, **rate):
        given.append(rate)
        return PretendInspector()

    monkeypatch.setattr(Inspector, "load", load)
    monkeypatch.setattr(server, "serve", lambda inspector, settings, listener: listener.close())
    for options in ([], ["--false-alarm-rate", "2%"]):
        assert cli.main(["--model", "x", "--port", "0", *options]) == 0
    assert given == [{}, {"false_alarm_rate": 0.02}]


def test_a_missing_library_is_named_before_the_model_is_loaded():
    script = f"""
import sys
from reb_pipeline.service import cli
before = set(sys.modules)
for library in {EXTRA}:
    sys.modules[library] = None
    assert cli.main(["--model", "no such model"]) == 2
    for name in set(sys.modules) - before:
        if name == library or name.startswith("reb_pipeline.service."):
            del sys.modules[name]
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stderr.splitlines() == [
        f"Error: The service needs {library}: run `pip install -e '.[serve]'`." for library in EXTRA
    ]


def test_every_library_of_the_extra_is_tried():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.match(r"[\w-]+", line)[0].replace("-", "_") for line in extra["serve"]}
    assert names == set(EXTRA)


def test_the_log_has_no_lines_of_how_libraries_were_loaded():
    script = """
import logging
from reb_pipeline.service.logs import log_as_json_lines
log_as_json_lines()
for name in ("faiss.loader", "some.library"):
    logging.getLogger(name).info("Loading faiss with AVX512 support.")
    logging.getLogger(name).warning("It cannot be loaded.")
logging.getLogger("reb_pipeline.service.server").info("listening")
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    messages = [json.loads(line)["message"] for line in run.stderr.splitlines()]
    assert messages == ["It cannot be loaded.", "It cannot be loaded.", "listening"]


def test_every_limit_is_an_option_and_the_key_is_none(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for option in ("--max-upload-mib", "--max-pixels", "--max-batch", "--queue", "--workers"):
        assert option in text
    assert "--api-key " not in text


def test_ipv6():
    try:
        listener = listen("::1", 0)
    except InputError:
        pytest.skip("this machine has no IPv6")
    assert listener.getsockname()[1] > 0
    listener.close()


def test_answers_do_not_wait_for_the_acknowledgement_of_their_first_piece():
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
