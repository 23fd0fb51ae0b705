"""Every table of the database in one collection, as migrations compare and tests empty it."""

from inspection.store import (
    access_tables,
    alert_tables,
    answer_tables,
    audit_tables,
    channel_tables,
    columns,
    evidence_tables,
    health_tables,
    ledger_tables,
    review_tables,
    score_tables,
    tables,
)

#: The modules that describe tables; importing them fills the collection.
TABLES = (
    tables,
    ledger_tables,
    evidence_tables,
    score_tables,
    audit_tables,
    alert_tables,
    channel_tables,
    health_tables,
    review_tables,
    access_tables,
    answer_tables,
)

metadata = columns.metadata
