"""What is kept of an outcome when its row is confirmed: the line of the history that `explain` tells."""

from __future__ import annotations

from sync_service.models.changes import OperationRecord
from sync_service.models.data_models import Outcome


def record_of(outcome: Outcome, at: str, run_id: str) -> OperationRecord:
    """The line of the history that `outcome` leaves."""
    operation = outcome.operation
    return OperationRecord(
        operation.row_id,
        run_id,
        at,
        str(operation.kind),
        operation.file_path,
        operation.new_path,
        operation.size,
        operation.etag,
        str(outcome.result),
        outcome.receipt.internal_id,
        outcome.attempts,
        round(outcome.seconds, 3),
        outcome.error_kind,
        outcome.error,
    )
