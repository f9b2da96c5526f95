"""The statements of a top-up as a pgbench script: recorded from one, with names made anew for each transaction."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from tongka.cli.card_front import front_of_section
from tongka.cli.common import settings_of
from tongka.partners.huzhou import serve
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import furnish
from tongka.shell import open_system
from tongka.store.db import Database

CARDS = 4_000
"""Rows that are added for pgbench; each of its clients has a share of them."""
METHODS = ("execute", "fetch", "fetchrow", "fetchval", "fetch_joined", "read", "read_row", "read_value", "read_joined")
PREFIX = "99999999"
NAMES = """\
\\set k random(1, 9000000000)
\\set c :client_id * 400 + random(1, 400)
"""

Statement = tuple[str, tuple[Any, ...]]


async def record(folder: Path) -> tuple[Path, bytes, bytes]:
    """Top a card up in this process; answers the script, and a request and an answer as they went over the line."""
    document = json.loads((folder / "sandbox.json").read_bytes())
    entry = next(one for one in document["cards"] if one["enabled"] and one["balance_fen"] < 50_000)
    card = SoftwareCard(furnish(CardImage.from_json(entry)), secrets.token_bytes)
    messages: list[bytes] = []
    async with open_system(settings_of(folder / "tongka.toml")) as system:
        app = Starlette(routes=[Mount("/cardfront", routes=serve.routes(system))])
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), event_hooks=heard(messages))
        front = front_of_section(document["huzhou"], http)
        await front.top_up_known(card, entry["card_no"], 1, "warm")
        with recording() as statements:
            order = await front.top_up_known(card, entry["card_no"], 1, payment := secrets.token_hex(10))
        await add_cards(system.database, entry["card_no"])
        await front.close()
    script = folder / "topup.sql"
    script.write_text(NAMES + "".join(as_pgbench(statements, entry["card_no"], order.order_no, payment)))
    return script, max(messages[0::2], key=len), max(messages[1::2], key=len)


def heard(messages: list[bytes]) -> dict[str, list[Callable[..., Any]]]:
    async def sent(request: httpx.Request) -> None:
        messages.append(request.content)

    async def came(response: httpx.Response) -> None:
        messages.append(await response.aread())

    return {"request": [sent], "response": [came]}


async def add_cards(database: Database, like: str) -> None:
    columns = [row["attname"] for row in await database.read(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'card'::regclass AND attnum > 0 AND NOT attisdropped"
    )]  # fmt: skip
    made = {"card_no": f"'{PREFIX}' || lpad(g::text, 11, '0')", "asn": f"'0{PREFIX}' || lpad(g::text, 11, '0')"}
    values = ", ".join(made.get(column, column) for column in columns)
    source = f"card, generate_series(0, {CARDS}) AS g WHERE card_no = $1"
    await database.execute(f"INSERT INTO card ({', '.join(columns)}) SELECT {values} FROM {source}", like)  # noqa: S608


@contextmanager
def recording() -> Iterator[list[Statement]]:
    """Every statement that goes through the store's door."""
    statements: list[Statement] = []
    real = {name: getattr(Database, name) for name in METHODS}

    def noted(method: Callable[..., Any]) -> Callable[..., Any]:
        async def run(self: Database, sql: str, *arguments: Any) -> Any:
            statements.append((sql, arguments))
            return await method(self, sql, *arguments)

        return run

    for name, method in real.items():
        setattr(Database, name, noted(method))
    try:
        yield statements
    finally:
        for name, method in real.items():
            setattr(Database, name, method)


def as_pgbench(statements: list[Statement], card_no: str, order_no: str, payment: str) -> Iterator[str]:
    """Each statement on a line, with literals; the names of card, order, payment and requests are made of :c and :k."""
    serials = sorted({value for _, given in statements for value in given if isinstance(value, str) and "|" in value})
    names = {card_no: f"('{PREFIX}' || lpad(:c::text, 11, '0'))", order_no: "('bench' || :k::text)",
             payment: "('pay' || :k::text)"}  # fmt: skip
    names |= {serial: f"('bench|{number}|' || :k::text)" for number, serial in enumerate(serials)}
    return lines(statements, names)


def lines(statements: list[Statement], names: dict[str, str]) -> Iterator[str]:
    """Each statement on a line, with literals; `names` has the expressions that stand for some texts."""
    for sql, arguments in statements:
        literals = [
            ":k" if _resolves(sql, i) and value else _literal(value, names) for i, value in enumerate(arguments)
        ]
        text = re.sub(r"\$([0-9]+)", lambda match, of=literals: of[int(match[1]) - 1], " ".join(sql.split()))
        yield text.replace("pending_id = nextval('transfer_id_seq')", "pending_id = :k") + ";\n"


def _resolves(sql: str, index: int) -> bool:
    """Whether this argument is the number of the pending transfer that a move resolves; it is :k, too."""
    return f"THEN ${index + 1}::bigint END" in sql


def _literal(value: Any, names: dict[str, str]) -> str:
    if isinstance(value, list):
        return f"ARRAY[{', '.join(_literal(one, names) for one in value)}]"
    if isinstance(value, str):
        return names.get(value) or "'" + value.replace("'", "''") + "'"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    if isinstance(value, datetime | date):
        return f"'{value.isoformat()}'::{'timestamptz' if isinstance(value, datetime) else 'date'}"
    return "NULL" if value is None else str(value)
