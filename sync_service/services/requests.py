"""What a person asks of the writer while it runs: files in a folder beside the database, taken up by the next run."""

from __future__ import annotations

import json
from pathlib import Path

from sync_service.services.snapshot_files import storage_error, write_text


def leave_approval(folder: Path, name: str, deletes: list[tuple[int, str]]) -> None:
    """Asks the running daemon to let exactly these deletes through, (row id, path)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"approve-{name}.json", json.dumps({"approve": deletes}))
    except OSError as error:
        raise storage_error(error, folder) from error


def take_approvals(folder: Path) -> list[tuple[int, str]]:
    """All approvals that were left since the last call; a damaged file counts as none."""
    found: list[tuple[int, str]] = []
    for path in sorted(folder.glob("approve-*.json")):
        try:
            found += [(int(row_id), str(name)) for row_id, name in json.loads(path.read_text("utf-8"))["approve"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        finally:
            path.unlink(missing_ok=True)
    return found
