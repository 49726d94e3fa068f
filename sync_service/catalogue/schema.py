"""Which schema this version knows, and what it says of others."""

from __future__ import annotations

from sync_service.models.errors import CatalogueUnusable

HEAD = "0004"
KNOWN = ("0001", "0002", "0003", "0004")


def check_version(version: str | None, name: str) -> None:
    """Raises CatalogueUnusable for a schema that this version does not know."""
    if version is not None and version not in KNOWN:
        raise CatalogueUnusable(
            f"the catalogue has schema {version}, newer than this version knows ({HEAD})",
            subject=name,
            hint="Run the newer version of the service; the file was left as it is",
        )
