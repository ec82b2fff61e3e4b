"""The photos that the tutorial begins with are there, and it speaks of as many as it makes."""

import re

from pages import DOCS

PAGE = (DOCS / "tutorial/first_report.md").read_text()


def test_the_photos_of_the_tutorial(tmp_path, monkeypatch):
    (script,) = re.findall(r"^python - <<'END'\n(.*?)^END$", PAGE, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "tutorial", "exec"), {})
    made = {
        str(folder.relative_to(tmp_path)): len(list(folder.iterdir()))
        for folder in [tmp_path / "photos/part/good", tmp_path / "photos/part/defective"]
    }
    made["new_photos"] = len(list((tmp_path / "new_photos").iterdir()))
    said = re.findall(r"^(\S+)/ +(\d+) photos", PAGE, re.MULTILINE)
    assert made == {folder: int(number) for folder, number in said}
