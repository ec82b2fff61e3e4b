"""Whatever is uploaded, the answer is never our error."""

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pretend_inspector import PretendInspector
from uploads_made import giant_header, image_file, noise_file

from reb_pipeline.service.app import create_app
from reb_pipeline.service.settings import ServiceSettings

WHOLE = [
    *(image_file(kind=kind) for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")),
    *(noise_file(kind, side=16) for kind in ("PNG", "JPEG", "TIFF", "WEBP")),
    giant_header(),
]
EXPECTED = {200, 400, 413, 415, 422}


@pytest.fixture(scope="module")
def fuzzed():
    # Small limits, so that a header that was hit by chance costs no memory.
    limits = ServiceSettings(max_upload_mib=1, max_pixels=1_000_000)
    with TestClient(create_app(PretendInspector(), limits)) as client:
        yield client


@st.composite
def damaged(draw):
    """An image file with some bytes replaced, then cut."""
    data = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(0, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


@settings(max_examples=150)
@given(
    data=st.one_of(st.binary(max_size=400), damaged()),
    name=st.text(max_size=20),
    is_raw=st.booleans(),
)
def test_any_file(fuzzed, data, name, is_raw):
    form = {"files": {"image": (name or "a", data)}}
    raw = {"content": data, "headers": {"content-type": "image/png"}}
    response = fuzzed.post("/v1/models/screw/inspect?overlay=true", **(raw if is_raw else form))
    assert response.status_code in EXPECTED, response.text
    assert response.status_code == 200 or response.json()["detail"]


@settings(max_examples=100)
@given(files=st.lists(st.one_of(st.binary(max_size=50), damaged()), min_size=1, max_size=4))
def test_any_batch(fuzzed, files):
    response = fuzzed.post("/inspect/batch", files=[("images", ("a", data)) for data in files])
    assert response.status_code == 200
    results = response.json()["results"]
    assert len(results) == len(files)
    assert {item["status"] for item in results} <= EXPECTED


@settings(max_examples=150)
@given(
    body=st.binary(max_size=300),
    head=st.sampled_from(
        [b"", b"--x\r\n", b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n']
    ),
    content_type=st.one_of(
        st.just("multipart/form-data; boundary=x"),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(
            lambda text: f"multipart/form-data; {text}"
        ),
    ),
)
def test_any_body(fuzzed, body, head, content_type):
    response = fuzzed.post("/inspect", content=head + body, headers={"content-type": content_type})
    assert response.status_code in EXPECTED, response.text
