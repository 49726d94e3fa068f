"""Content on disk under its own digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mock_api.blobs import BlobFolder
from mock_api.cli import main
from mock_api.models import Blob


async def test_content_without_a_row_is_held(tmp_path: Path) -> None:
    """While an upload waits for its row, the end of another file with the same bytes does not take them away."""
    folder = BlobFolder(tmp_path, lambda _: False, max_size=None, sync=True)
    incoming = folder.receive()
    incoming.write(b"same")
    blob = Blob(hashlib.sha256(b"same").hexdigest(), 4)
    with folder.holding(blob):
        await folder.settle(incoming, blob)
        folder.release(blob.sha256)
        assert folder.path(blob.sha256).read_bytes() == b"same"
    assert not folder.path(blob.sha256).exists()


def test_wrong_settings_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is none, given or from the environment, ends with 2 before anything is made."""
    for words, environment in ((["--port", "x"], {}), ([], {"MOCK_API_PORT": "70000"})):
        with pytest.raises(SystemExit) as ended:
            main(words, environment)
        assert (ended.value.code, "is no port" in capsys.readouterr().err) == (2, True)
