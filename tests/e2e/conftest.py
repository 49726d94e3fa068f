"""What the end-to-end tests share: a bucket of their own, a mock API of their own, and the product between them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.product import Product
from tests.e2e.world import API_TOKEN, Api, Bucket, World, s3_client, settings_for
from tests.fakes import mock_api_server
from tests.real_s3 import S3Server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3(s3_server: S3Server) -> Any:
    """One boto3 client for the run."""
    client = s3_client(s3_server)
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any) -> Iterator[Bucket]:
    """A new bucket, gone with the test."""
    made = Bucket(s3, f"e2e-{os.getpid()}-{next(_numbers)}")
    s3.create_bucket(Bucket=made.name)
    yield made
    made.drop()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A strict mock API."""
    with mock_api_server.running(tmp_path / "api") as server:
        yield Api(server.url)


@pytest.fixture
def world(tmp_path: Path, s3_server: S3Server, bucket: Bucket, api: Api) -> Iterator[World]:
    """The product between the two; at the end its files are searched for secrets."""
    made = world_of(tmp_path, s3_server, bucket, api)
    yield made
    made.product.check_files()


def world_of(folder: Path, server: S3Server, bucket: Bucket, api: Api) -> World:
    """A world whose product lives in `folder`."""
    # The name of a key is hidden where it is as long as real ones; a short one may be a word of any path.
    secrets = [server.secret_key, API_TOKEN, *(key for key in [server.access_key] if len(key) >= 16)]
    product = Product(folder / "work", settings_for(server, bucket.name, api.url), secrets)
    return World(bucket, api, product)
