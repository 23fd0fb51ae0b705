"""The tables of access: users, keys, browsers that are signed in, and one-time links."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from inspection.store.columns import Id, Json, Moment, metadata, partial_index

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    #: In small letters.
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    #: Argon2id with its parameters; NULL: has none. Never logged, never audited.
    Column("password_hash", Text),
    #: When a temporary password ends; NULL: it is none.
    Column("temporary_until_at", Moment),
    #: NULL: may sign in.
    Column("disabled_at", Moment),
    #: Who a provider of identities says it is; both NULL for users of our own.
    Column("issuer", Text),
    Column("subject", Text),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("last_signed_in_at", Moment),
    UniqueConstraint("issuer", "subject"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False),
    #: key or kiosk.
    Column("kind", String(8), nullable=False),
    Column("prefix", String(24), nullable=False),
    #: SHA-256 of its text.
    Column("digest", String(64), nullable=False, unique=True),
    #: Names of permissions.
    Column("scopes", Json, nullable=False),
    #: Names of cameras; NULL for all.
    Column("cameras", Json),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    Column("revoked_at", Moment),
    # A new key may take the name of one that was revoked.
    partial_index("uq_keys_live_name", "name", where="revoked_at IS NULL", unique=True),
)

#: Browsers that are signed in: of a user, or of a kiosk's key.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    #: SHA-256 of what the cookie holds.
    Column("digest", String(64), nullable=False, unique=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("key_id", Id, ForeignKey("keys.id", ondelete="CASCADE"), index=True),
    Column("begun_at", Moment, nullable=False),
    #: To the minute.
    Column("seen_at", Moment, nullable=False),
    #: Over at this time however much it is used.
    Column("expires_at", Moment, nullable=False),
    Index(None, "expires_at"),
    CheckConstraint("(user_id IS NULL) <> (key_id IS NULL)", name="owner"),
)

#: Links that sign a browser in once.
links = Table(
    "links",
    metadata,
    Column("id", Id, primary_key=True),
    #: SHA-256 of its text.
    Column("digest", String(64), nullable=False, unique=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("key_id", Id, ForeignKey("keys.id", ondelete="CASCADE"), index=True),
    #: Good for browsers on the server's own machine alone.
    Column("is_local", Boolean, nullable=False),
    Column("expires_at", Moment, nullable=False),
    #: NULL: nobody has followed it.
    Column("used_at", Moment),
    CheckConstraint("(user_id IS NULL) <> (key_id IS NULL)", name="owner"),
)
