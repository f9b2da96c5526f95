"""Who may do what in the database: one role owns the tables and migrates them, another serves.

The serving role reads and writes rows, and no more: it cannot alter a table, put a trigger to sleep, change or remove a
transfer or a row of the audit trail. A third kind reads only, for reports and auditors.
"""

from collections.abc import Iterator

from tongka.errors import Malformed
from tongka.store.db import Database

APPEND_ONLY = frozenset({"transfer", "audit", "audit_seal", "audit_epoch"})
READ_ONLY = frozenset({"schema_migration"})
DELETABLE = frozenset({
    "app_product", "app_token", "calls", "card_batch", "card_batch_line", "decision", "group_unlock",
    "installation_key", "proposal", "reply", "ride_credential", "rider_blacklist", "secure_element", "wallet_round",
    "wrong_guess",
})  # fmt: skip
"""Tables whose rows may go; a test compares it with the statements of the store."""

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_NAMED = "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = $1"
_READING = (
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
)
"""Views are among them."""
_SEQUENCES = "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"

_GRANTED = """
SELECT r.rolname AS role, NOT bool_or(given.privilege_type = 'INSERT') AS reads_only
FROM pg_class c, aclexplode(c.relacl) AS given JOIN pg_roles r ON r.oid = given.grantee
WHERE c.oid = 'audit'::regclass AND given.grantee <> c.relowner
GROUP BY r.rolname ORDER BY r.rolname
"""

_OWNS = """
SELECT current_user::text FROM pg_class
WHERE oid = to_regclass('audit') AND pg_has_role(current_user, relowner, 'MEMBER')
"""


def writing(table: str) -> str:
    """What the serving role may do with a table besides reading it."""
    if table in APPEND_ONLY:
        return "INSERT"
    return "INSERT, UPDATE, DELETE" if table in DELETABLE else "INSERT, UPDATE"


async def grant(database: Database, role: str, *, reads_only: bool = False) -> None:
    """Give a role what it needs to serve, or to read, and take the rest from it; again after each migration.

    Raises:
        Malformed: there is no such role.
        Misconfigured: we are not the owner of the tables.

    """
    quoted = await database.read_value(_NAMED, role)
    if quoted is None:
        raise Malformed("role", f"the server has no role {role!r}; CREATE ROLE makes one")
    tables = [row["tablename"] for row in await database.read(_TABLES)]
    async with database.transaction() as connection:
        for statement in _grants(tables, reads_only=reads_only):
            await connection.execute(statement.format(role=quoted))


def _grants(tables: list[str], *, reads_only: bool) -> Iterator[str]:
    yield from _READING
    if reads_only:
        return
    yield _SEQUENCES
    for table in tables:
        if table not in READ_ONLY:
            yield f'GRANT {writing(table)} ON "{table}" TO {{role}}'


async def grant_again(database: Database) -> list[str]:
    """After a migration: the same for all roles that have it, so that they can use what is new; answers their names."""
    roles = await database.read(_GRANTED)
    for row in roles:
        await grant(database, row["role"], reads_only=row["reads_only"])
    return [row["role"] for row in roles]


async def owner_complaint(database: Database) -> str | None:
    """What is to be said of a role that could alter the tables or switch their guards off; None if it cannot."""
    role = await database.read_value(_OWNS)
    if role is None:
        return None
    return f"database.url: role {role!r} owns the tables and could switch their guards off; see `tongka db grant`"
