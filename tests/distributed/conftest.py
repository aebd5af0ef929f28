"""S3 by moto's server on loopback, and the files of examples/distributed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import boto3  # type: ignore[import-untyped]
import pytest
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples" / "distributed"
SECRET = "wJalrXUtnFEMI-K7MDENG-canary"  # noqa: S105 - of a server on loopback


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """The address of an S3 server in this process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Variables of S3, and an empty bucket ``evals``; its address."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_address)
    bucket = boto3.resource("s3", endpoint_url=s3_address).Bucket("evals")
    bucket.create()
    yield s3_address
    bucket.objects.all().delete()
    bucket.delete()
    bucket.meta.client.close()
