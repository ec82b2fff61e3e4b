"""`kedro ipython`: its variables, `%reload_kedro` and `%load_node`."""

import json
import os
import sys
from pathlib import Path

import miniatures
from conftest import ROOT

# In IPython with the extension of Kedro: the text of `%load_node` stands in the next prompt.
SCRIPT = """
import ast, json
shell = get_ipython()
said = {"session": type(session).__name__, "params": catalog["params:mono.scoring"].load().n_neighbors}
shell.run_line_magic("reload_kedro", "--env folder --params seed=3")
context, catalog, pipelines = (shell.user_ns[name] for name in ("context", "catalog", "pipelines"))
said["reloaded"] = [context.params["seed"], "part.raw_images" in catalog]
shell.run_line_magic("reload_kedro", "--params data_root={images},output_root={out}")
session, pipelines = (shell.user_ns[name] for name in ("session", "pipelines"))
session.run(pipeline_names=["ingestion"])
said["broken"], seen = [], set()
for node in (node for pipeline in pipelines.values() for node in pipeline.nodes):
    if node.func not in seen:
        seen.add(node.func)
        shell.run_line_magic("load_node", node.name)
        try:
            ast.parse(shell.rl_next_input)
        except SyntaxError as error:
            said["broken"].append([node.name, str(error)])
said["functions"] = len(seen)
shell.run_line_magic("load_node", "mono.ingestion.inspect_images")
said["images"] = len(shell.run_cell(shell.rl_next_input).result)
print("SAID", json.dumps(said))
"""


def test_ipython_has_the_project_and_loads_every_node(kedro, tmp_path):
    script = tmp_path / "script.py"
    places = {"images": miniatures.make_elpv(tmp_path / "images"), "out": tmp_path / "out"}
    text = SCRIPT
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", str(place))
    script.write_text(text)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    finished = kedro("ipython", str(script), PATH=path, IPYTHONDIR=str(tmp_path / "ipython"))
    lines = [line for line in finished.stdout.splitlines() if line.startswith("SAID ")]
    assert lines, finished.stdout[-2000:] + finished.stderr[-2000:]
    said = json.loads(lines[0].removeprefix("SAID "))
    assert said.pop("functions") > 50
    assert said == {
        "session": "ProjectSession",
        "params": 5,
        "reloaded": [3, True],
        "broken": [],
        "images": 16,
    }
    assert not (ROOT / "ipython").exists()
