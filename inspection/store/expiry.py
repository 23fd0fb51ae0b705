"""Expiry on PostgreSQL: a week whose rows are all old enough goes at once, with its partitions.

Deleting rows one by one would cost as much as recording them did, and leave its holes in every
index. Here the rows of a week are counted as removed by a few statements, and the partitions are
emptied in the same transaction: nobody else waits, unless for rows of that week. The empty
partitions are dropped afterwards, when the tables come free for a moment.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, literal_column, select, table, text, update
from sqlalchemy.exc import OperationalError

from inspection.domain.evidence import Amount, Gone
from inspection.store import accounts, departures, evidence, histograms, partitions, removals
from inspection.store.alert_tables import alert_frames, alert_outbox
from inspection.store.engine import patience
from inspection.store.ledger_tables import dead_letters
from inspection.store.partitions import PARTITIONED, Week
from inspection.store.retention import Ask, Removed
from inspection.store.tables import ledger, maps

#: How long to wait for what others have locked; shorter than PostgreSQL takes to look for a
#: deadlock, so that it is the keeper that gives way. It tries again in its next round.
_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '500ms'"
#: Number of PostgreSQL's advisory lock that a keeper holds while it removes or drops a week.
_REMOVING: Final = 0x1259_EC73
#: State of a statement that has waited long enough for a lock.
_LOCKED: Final = "55P03"


def past_weeks(connection: Connection, ask: Ask) -> list[Week]:
    """Return the weeks that may be old enough: over, and their last row was recorded before.

    Args:
        connection: of a `Database.read` that has asked nothing yet.
        ask: rows go for their age alone.
    """
    # None is dropped while it is looked at.
    connection.exec_driver_sql("LOCK TABLE ONLY ledger IN ACCESS SHARE MODE")
    weeks = [week for week in partitions.present(connection) if _is_over(week, ask)]
    return [week for week in weeks if _is_old(_last_recorded_at(connection, week), ask)]


def remove_week(connection: Connection, week: Week, ask: Ask) -> Removed | None:
    """Remove the rows of a week if they are all old enough; None when others are in the way.

    1. Let nobody else write to the week.
    2. See that everything in it was recorded long enough ago.
    3. Have its rows counted as removed; then its cameras are locked.
    4. Note the files of their pictures, forget what refers to the rows, empty the partitions, and
       last change the counters.

    Args:
        connection: inside a transaction of `Database.write`.
        week: which.
        ask: rows go for their age alone.
    """
    # Another keeper may have dropped it since it was listed.
    if not _is_alone(connection) or week not in partitions.present(connection):
        return None
    names = ", ".join(week.of_table(each) for each in PARTITIONED)
    try:
        with patience(connection):
            connection.exec_driver_sql(_LOCK_TIMEOUT)
            connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
            if not _is_old(_newest_recorded_at(connection, week, ask), ask):
                return Removed()
            return _remove(connection, week, ask)
    except OperationalError as error:
        _give_way(connection, error)
        return None


def drop_week(connection: Connection, week: Week) -> bool:
    """Drop the partitions of a week that is empty; False when others are in the way.

    Args:
        connection: inside a transaction of `Database.write`.
        week: which.
    """
    if not _is_alone(connection):
        return False
    try:
        connection.exec_driver_sql(_LOCK_TIMEOUT)
        return partitions.drop_empty(connection, week)
    except OperationalError as error:
        _give_way(connection, error)
        return False


def _is_alone(connection: Connection) -> bool:
    """Keep other keepers off until the transaction ends; False when one is at it."""
    is_alone = text("SELECT pg_try_advisory_xact_lock(:number)")
    return bool(connection.scalar(is_alone, {"number": _REMOVING}))


def _remove(connection: Connection, week: Week, ask: Ask) -> Removed:
    is_chosen = week.holds(ledger)
    taken = evidence.amounts(connection, is_chosen, week.holds(maps))
    departures.announce(connection, is_chosen, at=ask.at)
    row_count = accounts.note_week_removed(connection, week)
    removals.note_of(connection, is_chosen, at=ask.at)
    histograms.remove_days(connection, week.begins_at, week.ends_at)
    ids = select(ledger.c.id).where(is_chosen)
    connection.execute(update(dead_letters).where(week.holds(dead_letters)).values(ledger_id=None))
    connection.execute(delete(alert_outbox).where(week.holds(alert_outbox)))
    connection.execute(delete(alert_frames).where(alert_frames.c.ledger_id.in_(ids)))
    names = ", ".join(week.of_table(each) for each in PARTITIONED)
    connection.exec_driver_sql(f"TRUNCATE {names}")
    evidence.take(connection, taken, Gone.AGE)
    return Removed(row_count=row_count, amount=sum(taken.values(), Amount()))


def _give_way(connection: Connection, error: OperationalError) -> None:
    """Undo what was begun if it was a lock that took too long.

    Raises:
        OperationalError: it was something else.
    """
    if getattr(error.orig, "sqlstate", None) != _LOCKED:
        raise error
    transaction = connection.get_transaction()
    if transaction is not None:
        transaction.rollback()


def _is_over(week: Week, ask: Ask) -> bool:
    return ask.before is not None and week.ends_at <= ask.before


def _is_old(recorded_at: datetime | None, ask: Ask) -> bool:
    """Say whether a row is old enough; dated in the future, it says nothing about others."""
    is_young = recorded_at is not None and ask.before is not None and recorded_at >= ask.before
    return not is_young or (recorded_at is not None and recorded_at > ask.at)


def _last_recorded_at(connection: Connection, week: Week) -> datetime | None:
    """Return when the row with the highest id was recorded: nearly always the newest."""
    partition = table(week.of_table(ledger))
    recorded_at = literal_column("recorded_at", ledger.c.recorded_at.type)
    last = select(recorded_at).select_from(partition).order_by(text("id DESC")).limit(1)
    return connection.scalar(last)


def _newest_recorded_at(connection: Connection, week: Week, ask: Ask) -> datetime | None:
    newest = select(func.max(ledger.c.recorded_at)).where(
        week.holds(ledger), ledger.c.recorded_at <= ask.at
    )
    found: datetime | None = connection.scalar(newest)
    return found
