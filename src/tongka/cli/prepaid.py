"""`tongka prepaid`: merchants' prepaid accounts. Amounts are fen."""

import re
import secrets
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, agreed, authorised
from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    database_of,
    print_rows,
    run,
    stamp_of,
    system_of,
)
from tongka.errors import Malformed, UnknownParty
from tongka.ledger import Account
from tongka.money import format_yuan
from tongka.partners.linkage.notify import key_context
from tongka.store import ledger, prepaid, prepaid_notices
from tongka.store.prepaid import Supply

app = typer.Typer(no_args_is_help=True, help="Prepaid accounts of merchants. Amounts are fen.")

MerchantArgument = Annotated[str, typer.Argument(help="The merchant's number (Balunitno).")]
DomainArgument = Annotated[str, typer.Argument(help="The domain that may use the account.")]
NOTIFY_KEY_LEN = 32
DayArgument = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Business day, YYYY-MM-DD.")]


@app.command("open")
def open_account(
    merchant: MerchantArgument,
    domain: DomainArgument,
    low_balance: Annotated[int, typer.Option(min=0, help="Below this its balance is told as low, in fen.")] = 0,
    config: ConfigOption = None,
) -> None:
    """Open a merchant's account; again is harmless."""

    async def work() -> None:
        async with system_of(config) as system:
            await prepaid.open_account(system.database, merchant, domain, low_balance, stamp_of(system))

    run(work())
    console.print(f"merchant {merchant} has a prepaid account of domain {domain}", highlight=False)


@app.command()
def notify(
    merchant: MerchantArgument,
    domain: DomainArgument,
    url: Annotated[str, typer.Argument(help="Where a low balance is told, http or https; left out: nowhere.")] = "",
    config: ConfigOption = None,
) -> None:
    """Set where a merchant is told that its balance is low, and draw the key that signs it, shown this once."""
    key = secrets.token_hex(NOTIFY_KEY_LEN) if url else ""

    async def work() -> None:
        _require_url(url)
        async with system_of(config) as system:
            sealed = await system.hsm.seal(key.encode(), key_context(merchant, domain)) if key else None
            stamp = stamp_of(system)
            change = (merchant, domain, url, sealed, stamp.at, stamp.actor)
            if not await prepaid_notices.set_address(system.database, *change):
                raise UnknownParty("prepaid merchant", merchant)

    run(work())
    console.print(f"merchant {merchant} is told of a low balance {f'at {url}' if url else 'nowhere'}", highlight=False)
    if key:
        console.print(f"its key, shown this once: {key}", highlight=False)


def _require_url(url: str) -> None:
    if url and not re.fullmatch(r"https?://[^\s/]\S*", url):
        raise Malformed("url", "is http://… or https://…")


@app.command()
def supply(  # noqa: PLR0917 - arguments and options of a command
    merchant: MerchantArgument,
    domain: DomainArgument,
    amount: Annotated[int, typer.Argument(min=1, help="In fen.")],
    trade_id: Annotated[str, typer.Argument(help="Of the transfer that paid it: the same id adds once.")],
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Add money that has arrived at the bank: two operators say so."""
    person = Person(operator, passphrase_file)
    told = f"{format_yuan(amount)} yuan for merchant {merchant} of domain {domain}, transfer {trade_id}"

    async def work() -> int | None:
        actor = await authorised(config, "prepaid supply", person, told)
        async with system_of(config, actor) as system:
            await prepaid.find(system.database, merchant, domain)
            if not await agreed(system.database, "prepaid supply", told, person, config):
                return None
            wanted = Supply(
                merchant=merchant, domain=domain, trade_id=trade_id, amount_fen=amount, paid_into=Account.BANK
            )
            await prepaid.supply(system.database, wanted, stamp_of(system))
            return (await prepaid.find(system.database, merchant, domain)).balance_fen

    balance_fen = run(work())
    if balance_fen is not None:
        console.print(f"merchant {merchant} has {format_yuan(balance_fen)} yuan", highlight=False)


@app.command("list")
def list_accounts(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the accounts with their balances, and since when they are low."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [asdict(one) for one in await prepaid.every(database)]

    print_rows(run(work()), as_json=as_json)


@app.command()
def statement(
    merchant: MerchantArgument,
    domain: DomainArgument,
    since: DayArgument,
    until: DayArgument,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List what came to and went from an account on some business days, both included."""

    async def work() -> list[ledger.Line]:
        async with database_of(config) as database:
            account = await prepaid.find(database, merchant, domain)
            return await ledger.statement(database, account.account, since.date(), until.date())

    shown = ("posted_at", "reason", "card_no", "order_no", "credit_fen", "debit_fen")
    rows: list[dict[str, object]] = [{name: getattr(line, name) for name in shown} for line in run(work())]
    print_rows(rows, as_json=as_json)
