"""Verification: whether anybody has edited, removed, moved or added rows behind the audit's back.

It reads in short transactions while others go on writing: first the chain, link by link, with the
changes that links name; then, digest by digest, the rows. What rows that are gone or different
have to say for themselves stands in later links, so the chain is read to its end first, and once
more before anything is said against a row.
"""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from inspection.domain.chain import NOTHING, AuditKeys, Head, Link, LinkKind
from inspection.store import chain, departures, digests, tables, thresholds
from inspection.store.anchors import Anchor
from inspection.store.audit_tables import audit_links
from inspection.store.coverage import Digest, Expected
from inspection.store.database import Database

#: Findings that are named; more are counted by nobody.
NAMED: Final = 100


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A row that is not as it was sealed."""

    table: str
    row_id: int
    #: What is wrong with it.
    what: str

    def __str__(self) -> str:
        return f"{self.table} {self.row_id} {self.what}"


@dataclass(kw_only=True)
class Verification:
    """What was looked at, and what was found."""

    findings: list[Finding] = field(default_factory=list)
    link_count: int = 0
    change_count: int = 0
    #: Rows of the ledger and reviews that digests cover and that are there.
    row_count: int = 0
    #: Rows that retention has removed.
    removed_count: int = 0
    #: Rows that no digest covers yet: the newest ones.
    open_count: int = 0
    #: Anchors that the chain was held against.
    anchor_count: int = 0
    head: Head | None = None

    def add(self, table: str, row_id: int, what: str) -> None:
        """Note a bad row."""
        if len(self.findings) < NAMED:
            self.findings.append(Finding(table=table, row_id=row_id, what=what))


class Verifier:
    """Reads the whole chain, and everything it seals, once."""

    def __init__(self, database: Database, keys: AuditKeys, anchors: Sequence[Anchor]) -> None:
        self._database = database
        self._keys = keys
        self._anchors = {anchor.number: anchor for anchor in anchors}
        self._found = Verification(anchor_count=len(anchors))
        self._expected = Expected()
        #: Values by scope and version, as changes say them.
        self._thresholds: dict[tuple[str, int], float | None] = {}
        self._last: Link | None = None
        self._is_broken = False

    def run(self) -> Verification:
        """Look at everything.

        Raises:
            UnavailableError: the database does not answer.
            ConfigurationError: a digest covers what this version of the program does not know.
        """
        self._walk()
        self._check_end()
        for source in digests.SOURCES:
            self._check_rows(source)
        self._check_thresholds()
        return self._found

    def _walk(self) -> bool:
        """Read the links that were not read yet; say whether there was one."""
        begun_at = self._number
        while not self._is_broken:
            with self._database.read() as connection:
                rows = connection.execute(
                    select(audit_links)
                    .where(audit_links.c.number > self._number)
                    .order_by(audit_links.c.number)
                    .limit(chain.STRIDE)
                ).all()
                changes = self._changes(connection, rows)
            for row in rows:
                if not self._is_broken:
                    self._take(row, changes)
            if len(rows) < chain.STRIDE:
                break
        return self._number > begun_at

    @property
    def _number(self) -> int:
        return 0 if self._last is None else self._last.number

    def _changes(
        self, connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]
    ) -> dict[int, str]:
        ids = [row.change_id for row in rows if row.change_id is not None]
        found = connection.execute(select(tables.audit).where(tables.audit.c.id.in_(ids)))
        return {row.id: chain.change_text(row) for row in found}

    def _take(self, row: Row[*tuple[Any, ...]], changes: dict[int, str]) -> None:
        link = chain.link_of(row)
        if why := self._fault_of(link):
            number = min(link.number, self._number + 1)
            self._found.add("audit_links", number, why)
            # Nothing that follows says anything about itself any more.
            self._is_broken = True
            return
        self._last = link
        self._found.link_count += 1
        self._found.head = Head(
            number=link.number, mac=link.mac, key_id=link.next_key_id, sealed_at=link.sealed_at
        )
        if link.kind == LinkKind.CHANGE:
            self._check_change(link, row.change_id, changes)
        elif link.kind == LinkKind.REMOVAL:
            self._expected.remove(link.said["ids"])

    def _fault_of(self, link: Link) -> str | None:
        wanted = link.key_id if self._last is None else self._last.next_key_id
        secret = self._keys.secret(wanted)
        former = NOTHING if self._last is None else self._last.mac
        anchor = self._anchors.get(link.number)
        if link.number != self._number + 1:
            return "is gone"
        if secret is None:
            return f"was made with the key {wanted}, which is not among those given"
        if link.key_id != wanted:
            return f"names the key {link.key_id}, but {wanted} was in force"
        if not hmac.compare_digest(link.mac_after(former, secret), link.mac):
            return "was edited, moved or forged"
        if anchor is not None and not hmac.compare_digest(anchor.mac, link.mac):
            return f"is not the one that was anchored at {anchor.at}"
        return None

    def _check_change(self, link: Link, change_id: int, changes: dict[int, str]) -> None:
        said = link.said
        self._found.change_count += 1
        if said["id"] != change_id:
            self._found.add("audit_links", link.number, f"seals change {said['id']}, but names it")
        if said["id"] not in changes:
            self._found.add("audit", said["id"], f"is gone; link {link.number} has what it said")
        elif changes[said["id"]] != link.statement:
            what = f"was edited; link {link.number} has what it said"
            self._found.add("audit", said["id"], what)
        if (said["thing"], said["action"]) == departures.MOVED:
            self._expected.move(link.number, said["after"])
        elif said["thing"] == "threshold":
            after = said["after"] or {}
            self._thresholds[said["name"], after.get("version", 0)] = after.get("value")

    def _check_end(self) -> None:
        if self._is_broken:
            return
        with self._database.read() as connection:
            for row_id in chain.unsealed(connection):
                self._found.add("audit", row_id, "was never sealed: forged, or written without key")
        last = max(self._anchors, default=0)
        if last > self._number:
            anchor = self._anchors[last]
            self._found.add(
                "audit_links",
                self._number + 1,
                f"is gone: {last} links were anchored at {anchor.at}, {self._number} are there",
            )

    def _check_rows(self, source: digests.Source) -> None:
        up_to = 0
        for number, statement, marks in self._digests(source.kind):
            one = Digest.of(source, number, statement, marks)
            if statement["after"] != up_to:
                self._found.add("audit_links", number, "does not follow the digest before it")
            up_to = one.up_to
            self._check_digest(one)
        with self._database.read() as connection:
            self._found.open_count += (
                connection.scalar(select(func.count()).where(source.table.c.id > up_to)) or 0
            )

    def _digests(self, kind: LinkKind) -> Iterator[tuple[int, Any, bytes]]:
        """Yield the digests of a kind among the links that were found good."""
        number = 0
        while True:
            with self._database.read() as connection:
                row = connection.execute(
                    select(audit_links)
                    .where(
                        audit_links.c.kind == kind.value,
                        audit_links.c.number > number,
                        audit_links.c.number <= self._number,
                    )
                    .order_by(audit_links.c.number)
                    .limit(1)
                ).first()
            if row is None:
                return
            number = row.number
            yield number, chain.link_of(row).said, row.marks or b""

    def _check_thresholds(self) -> None:
        """See that every version of a threshold is one that a change says was set."""
        if self._is_broken:
            return
        with self._database.read() as connection:
            rows = connection.execute(thresholds.selected().order_by(tables.thresholds.c.id))
            known = [thresholds.threshold_of(row) for row in rows]
        self._walk()
        for one in known:
            key = thresholds.scope_name(one.scope), one.version
            if key not in self._thresholds or self._thresholds[key] != one.value:
                self._found.add(
                    "thresholds", one.threshold_id, "is not what any change says was set"
                )

    def _check_digest(self, one: Digest) -> None:
        secret = self._keys.secret(one.key_id)
        if secret is None:
            self._found.add("audit_links", one.number, f"has marks of an unknown key {one.key_id}")
            return
        if not one.has_own_marks:
            self._found.add("audit_links", one.number, "has other marks than it had")
            return
        checked = self._checked(one, secret)
        # Somebody may have removed or moved rows since the chain was read.
        if checked.faults and self._walk():
            checked = self._checked(one, secret)
        self._found.row_count += checked.row_count
        self._found.removed_count += checked.removed_count
        for table, row_id, what in checked.faults:
            self._found.add(table, row_id, what)

    def _checked(self, one: Digest, secret: bytes) -> Any:
        with self._database.read() as connection:
            return one.check(connection, secret, self._expected)
