"""The test data: as committed, the same on every machine, and of every kind that it promises."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

from scripts.make_test_data import FOLDER, differences, files, main, write
from scripts.sample_objects import sample_objects


def test_committed_folder_is_what_is_written() -> None:
    """The folder in the repository is byte for byte what the script writes."""
    assert differences(FOLDER) == []


def test_differences_are_told(tmp_path: Path) -> None:
    """A file that is missing, changed or too much has its line, and `--check` exits 1."""
    write(tmp_path)
    assert main(["--check", "--into", str(tmp_path)]) == 0
    (tmp_path / "empty/empty.txt").unlink()
    (tmp_path / "awkward/NA").write_bytes(b"other")
    (tmp_path / "mine.txt").write_bytes(b"")
    assert differences(tmp_path) == ["too much: mine.txt", "changed: awkward/NA", "missing: empty/empty.txt"]
    assert main(["--check", "--into", str(tmp_path)]) == 1


def test_names_are_safe_to_check_out() -> None:
    """No path is one that Windows or macOS cannot hold, or holds as another one."""
    names = list(files())
    assert not [n for n in names for part in n.split("/") if set(part) & set('<>:"\\|?*') or part != part.rstrip(" .")]
    assert len({n.casefold() for n in names}) == len(names)
    assert max(len(n) for n in names) < 160


def test_kinds() -> None:
    """Archives open, a path is ten levels deep and more, a file is empty."""
    content = files()
    assert zipfile.ZipFile(io.BytesIO(content["archives/bundle.zip"])).testzip() is None
    with tarfile.open(fileobj=io.BytesIO(content["archives/bundle.tar.gz"])) as archive:
        assert archive.getnames() == ["inside/one.txt", "inside/two.txt"]
    assert max(name.count("/") for name in content) >= 10
    assert b"" in content.values()


def test_sample_objects() -> None:
    """Files, keys that no file system takes and the large object come in one stream, each key once."""
    samples = {sample.key: sample for sample in sample_objects()}
    assert samples.keys() > files().keys()
    assert len(samples) == len(list(sample_objects()))
    assert samples["folder-marker/"].content == b""
    assert samples["documents/report.pdf"].metadata == {"permissions": "0640", "owner": "finance", "group": "reports"}
    assert samples["images/gradient.png"].file_type == "image/png"


def test_large_object_is_the_same_every_time() -> None:
    """The object of 20 MiB has one digest for ever."""
    large = next(sample for sample in sample_objects() if sample.key.startswith("large/"))
    assert len(large.content) == 20 * 2**20
    assert (
        hashlib.sha256(large.content).hexdigest() == "3fb7c34016b33fa01eff12f6e068a62302f2190149a4d3ed52665c58a89586f1"
    )
