"""An S3 of one's own, in this process; needs no network."""

from collections.abc import Iterator
from urllib.request import Request, urlopen

import fsspec
import pytest

from reb_pipeline.core.atomic import register


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Address of an empty bucket, found by the variables that AWS's own tools read."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    from reb_pipeline.core.atomic_s3 import AtomicS3FileSystem

    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    urlopen(Request(f"{address}/moto-api/reset", method="POST")).close()  # what other tests left
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        register()
        AtomicS3FileSystem.clear_instance_cache()
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
        AtomicS3FileSystem.clear_instance_cache()
    server.stop()
