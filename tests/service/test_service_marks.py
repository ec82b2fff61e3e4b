"""Marks of people on verdicts: stored in one file, in the schema of the report."""

import hashlib
import threading
from datetime import datetime

import pytest
from asking import serving
from uploads_made import image_file

from reb_pipeline.core.errors import InputError
from reb_pipeline.inspection.marks import Mark, marks_json, read_marks
from reb_pipeline.service import marks as module
from reb_pipeline.service.marks import MarksFile

MARKS = "/v1/models/screw/marks"
HASHES = [hashlib.sha256(bytes([k])).hexdigest() for k in range(20)]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "marks.json"


@pytest.fixture
def client(file):
    with serving(marks=file) as opened:
        yield opened


def stored(file):
    return {mark.image_sha256: mark.mark for mark in read_marks(file.read_bytes(), "marks.json")}


def test_an_inspection_names_the_image_that_a_mark_is_for(client, file):
    data = image_file(255)
    found = client.post("/v1/models/screw/inspect", files={"image": data}).json()
    assert found["image_sha256"] == hashlib.sha256(data).hexdigest()
    response = client.put(f"{MARKS}/{found['image_sha256']}", params={"mark": "false alarm"})
    assert response.status_code == 200
    mark = response.json()
    assert mark["verdict"] == found["verdict"] == "defective"
    assert datetime.fromisoformat(mark["when"]).tzinfo is not None
    assert stored(file) == {found["image_sha256"]: "false alarm"}
    assert read_marks(client.get(MARKS).content, "answer") == [Mark(**mark)]


def test_a_later_mark_replaces_the_former_and_can_be_removed(client, file):
    first, other = HASHES[:2]
    for name in ("missed", "false alarm", "missed"):
        client.put(f"{MARKS}/{first}", params={"mark": name})
    client.put(f"{MARKS}/{other}", params={"mark": "false alarm"})
    assert stored(file) == {first: "missed", other: "false alarm"}
    for _ in range(2):
        assert client.delete(f"{MARKS}/{first}").status_code == 204
    assert stored(file) == {other: "false alarm"}


def test_marks_are_there_after_a_restart(file):
    with serving(marks=file) as client:
        assert client.get(MARKS).json()["marks"] == []
        client.put(f"{MARKS}/{HASHES[0]}", params={"mark": "missed"})
    with serving(marks=file) as client:
        assert [mark["mark"] for mark in client.get(MARKS).json()["marks"]] == ["missed"]
        assert client.get("/v1/models/screw").json()["stores_marks"] is True


@pytest.mark.parametrize(
    ("image", "query", "status", "words"),
    [
        ("abc", "mark=missed", 422, "SHA-256"),
        (HASHES[0], "mark=good", 422, "'false alarm' or 'missed'"),
        (HASHES[0], "", 422, "mark"),
        (HASHES[0], "mark=missed&verdikt=1", 422, "Option 'verdikt' is unknown"),
    ],
)
def test_other_marks_are_refused_in_one_sentence(client, file, image, query, status, words):
    response = client.put(f"{MARKS}/{image}?{query}")
    assert response.status_code == status
    assert words in response.json()["detail"]
    assert not file.exists()


def test_marks_need_the_key_and_the_model(file):
    with serving(marks=file, api_key="secret") as client:
        for way in (client.get, client.put, client.delete):
            path = MARKS if way == client.get else f"{MARKS}/{HASHES[0]}?mark=missed"
            assert way(path).status_code == 401
        key = {"X-API-Key": "secret"}
        assert client.get("/v1/models/other/marks", headers=key).status_code == 404
        assert client.get(MARKS, headers=key).status_code == 200
    assert not file.exists()


def test_a_service_without_a_file_says_how_to_have_one():
    with serving() as client:
        assert client.get("/v1/models/screw").json()["stores_marks"] is False
        for response in (client.get(MARKS), client.put(f"{MARKS}/{HASHES[0]}?mark=missed")):
            assert response.status_code == 404
            assert "--marks FILE" in response.json()["detail"]


def test_a_file_that_breaks_while_the_service_runs_is_no_500_and_not_overwritten(
    client, file, caplog
):
    file.write_text("{}")
    for response in (client.get(MARKS), client.put(f"{MARKS}/{HASHES[0]}?mark=missed")):
        assert response.status_code == 503
        assert str(file) not in response.text
    assert file.read_text() == "{}"
    assert any(str(file) in record.getMessage() for record in caplog.records)


def test_a_file_that_cannot_be_used_is_refused_at_the_start(tmp_path):
    other = tmp_path / "other.json"
    other.write_text("[]")
    with pytest.raises(InputError, match="is no file of marks"):
        MarksFile(other)
    with pytest.raises(InputError, match="is not there: make it"):
        MarksFile(tmp_path / "nowhere/marks.json")
    with pytest.raises(InputError, match="cannot be read"):
        MarksFile(tmp_path)


def test_the_number_of_marks_is_limited(file, monkeypatch):
    monkeypatch.setattr(module, "MOST_MARKS", 2)
    marks = MarksFile(file)
    for image in (*HASHES[:2], HASHES[0]):
        marks.put(Mark(image, "good", "missed", "2026-01-31T09:15:00Z"))
    with pytest.raises(InputError, match="has 2 marks: move it away"):
        marks.put(Mark(HASHES[2], "good", "missed", "2026-01-31T09:15:00Z"))
    assert len(stored(file)) == 2


def test_no_mark_is_lost_where_several_write(file):
    file.write_bytes(marks_json([]))
    services = [MarksFile(file), MarksFile(file)]  # as two processes behind a proxy

    def mark(service, image):
        service.put(Mark(image, "good", "missed", "2026-01-31T09:15:00Z"))

    threads = [
        threading.Thread(target=mark, args=(services[k % 2], image))
        for k, image in enumerate(HASHES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(stored(file)) == set(HASHES)
    assert [path.name for path in file.parent.iterdir()] == ["marks.json"]
