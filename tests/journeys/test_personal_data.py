"""Customers' data of a sale and a return: sealed in the database, absent from the audit trail and the log."""

import msgspec
import pytest
import structlog

from raw_front import Front
from tongka import logs
from tongka.errors import BadSignature
from tongka.partners.huzhou import operations
from tongka.partners.huzhou.client import CardFrontRefused
from tongka.partners.huzhou.fields import Customer
from tongka.settings_monitoring import Log

PERSON = Customer(name="欧阳试验", certificate_type="01", certificate_no="000000271828182845", mobile="02718281828")
PRIVATE = [PERSON.name, PERSON.certificate_no, PERSON.mobile]


@pytest.fixture
def front(world) -> Front:
    return Front(world)


@pytest.fixture(params=["json", "text"])
def log_of(request, capfd):
    """What a production process would have written."""
    before = structlog.get_config()
    logs.configure(Log(format=request.param))
    yield lambda: capfd.readouterr().err
    structlog.configure(**before)


async def dump(world) -> str:
    """Every row of every table, as text."""
    tables = await world.database.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    rows = [await world.database.fetch(f"SELECT t::text AS line FROM {table['name']} t") for table in tables]
    return "\n".join(row["line"] for each in rows for row in each)


def shown(text: str) -> list[str]:
    """Which of the person's data can be read in a text, in any of the forms that bytes take there."""
    forms = {
        value: (value, value.encode().hex(), value.encode("unicode_escape").decode(), value.encode("gb18030").hex())
        for value in PRIVATE
    }
    return [value for value, written in forms.items() if any(one in text.lower() for one in written)]


async def test_a_customer_is_sealed_in_the_database_and_nowhere_else(world, log_of):
    card = await world.card(balance_fen=0, enabled=False)
    await world.client.sell(card, customer=PERSON)
    await world.client.return_card(card, customer=PERSON)
    assert shown(await dump(world)) == []
    assert shown(log_of()) == []


async def test_the_dump_would_show_it(world, database):
    """The control of the test above: data that is not sealed is found."""
    await database.execute("CREATE TABLE leak (who text, raw bytea)")
    await database.execute("GRANT SELECT ON leak TO PUBLIC")
    await database.execute("INSERT INTO leak VALUES ($1, $2)", PERSON.name, PERSON.mobile.encode())
    assert shown(await dump(world)) == [PERSON.name, PERSON.mobile]


async def test_who_may_can_read_it_again_for_this_card_only(world):
    card = await world.card(balance_fen=0, enabled=False)
    await world.client.sell(card, customer=PERSON)
    number = card.image.card_no
    sealed = await world.database.fetchval("SELECT customer FROM card WHERE card_no = $1", number)
    opened = await world.system.hsm.unseal(sealed, f"customer of {number}".encode())
    assert msgspec.json.decode(opened, type=Customer) == PERSON
    with pytest.raises(BadSignature):
        await world.system.hsm.unseal(sealed, b"customer of another")


async def test_a_refused_sale_leaves_nothing_of_the_customer(world, log_of):
    card = await world.card()  # sold already
    with pytest.raises(CardFrontRefused):
        await world.client.sell(card, customer=PERSON)
    assert shown(await dump(world)) == []
    assert shown(log_of()) == []


@pytest.mark.parametrize(
    "custinfo",
    [
        {"custname": PERSON.name, "certno": [PERSON.certificate_no], "mobile": PERSON.mobile},
        f'{{"custname": "{PERSON.name}", "certno": "{PERSON.certificate_no}"',
        {"custname": PERSON.name * 100, "mobile": PERSON.mobile},
    ],
    ids=["another type", "broken JSON", "too long"],
)
async def test_a_malformed_customer_is_not_repeated(world, front, log_of, custinfo):
    answer = await front.ask("cardSaleRequest", {"cardno": "3104880600000000001", "custinfo": custinfo})
    assert shown(str(answer)) == []
    assert shown(await dump(world)) == []
    assert shown(log_of()) == []


async def test_a_fault_of_ours_does_not_show_the_customer(world, log_of, monkeypatch):
    """An exception right where the customer is in a variable of every frame."""

    async def fault(*_):
        raise RuntimeError("a fault")

    monkeypatch.setattr(operations, "_sealed", fault)
    card = await world.card(balance_fen=0, enabled=False)
    with pytest.raises(CardFrontRefused):
        await world.client.sell(card, customer=PERSON)
    told = log_of()
    assert "a fault" in told
    assert shown(told) == []
    assert shown(await dump(world)) == []
