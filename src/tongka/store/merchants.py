"""Merchants' applications at the open gateway, and who may be paid by their trades."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from tongka.store.db import Database


@dataclass(frozen=True, slots=True)
class MerchantApp:
    """One application.

    Attributes:
        public_key: RSA, SubjectPublicKeyInfo in DER; empty: no request of it can be verified.
        seller: the login name that is paid when a trade names none.
        contracted: false: every method is refused (NO_RIGHT).
        methods: those that it may call; None: every one.
        calls_per_s: most calls in a second; None: as the settings say.
        cert_sn: serial of its certificate, in certificate mode; may be empty.

    """

    app_id: str
    name: str
    public_key: bytes
    seller: str
    contracted: bool = True
    active: bool = True
    methods: Sequence[str] | None = None
    calls_per_s: int | None = None
    cert_sn: str = ""


_NAMES = "app_id, name, public_key, seller, contracted, active, methods, calls_per_s, cert_sn"

_ADD = f"""
WITH app AS (
    INSERT INTO merchant_app ({_NAMES}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (app_id) DO UPDATE SET name = excluded.name, public_key = excluded.public_key, seller = excluded.seller,
        contracted = excluded.contracted, active = excluded.active, methods = excluded.methods,
        calls_per_s = excluded.calls_per_s, cert_sn = excluded.cert_sn
)
INSERT INTO seller (app_id, login_name) VALUES ($1, $4) ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own constants


async def add(database: Database, app: MerchantApp) -> None:
    """Add an application, or change it; its seller may be paid from now on."""
    await database.execute(_ADD, *astuple(app))


async def add_seller(database: Database, app_id: str, login_name: str) -> None:
    """Let trades of an application pay somebody else too."""
    await database.execute(
        "INSERT INTO seller (app_id, login_name) VALUES ($1, $2) ON CONFLICT DO NOTHING", app_id, login_name
    )


async def find(database: Database, app_id: str) -> MerchantApp | None:
    row = await database.read_row(f"SELECT {_NAMES} FROM merchant_app WHERE app_id = $1", app_id)  # noqa: S608
    return MerchantApp(*row) if row else None


async def every(database: Database) -> list[MerchantApp]:
    """All applications, by app_id."""
    return [MerchantApp(*row) for row in await database.read(f"SELECT {_NAMES} FROM merchant_app ORDER BY app_id")]  # noqa: S608


async def sellers(database: Database, app_id: str) -> frozenset[str]:
    """Who may be paid by an application's trades."""
    rows = await database.read("SELECT login_name FROM seller WHERE app_id = $1", app_id)
    return frozenset(row["login_name"] for row in rows)
