"""A card front in one process for the client's tests: real signatures, real card arithmetic, one card, no database."""

import random
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import httpx
import pytest

from tongka.card import commands
from tongka.card.appendix_c import command
from tongka.card.files import EnableFlag
from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES
from tongka.card.purse import (
    LoadInit,
    Moment,
    PurchaseInit,
    TransactionType,
    load_mac1,
    load_mac2,
    load_tac,
    purchase_mac1,
    purchase_mac2,
)
from tongka.crypto import sm2
from tongka.partners.huzhou import codec, messages
from tongka.partners.huzhou.calls import ZONE, Line
from tongka.partners.huzhou.client import CardFront, Identity
from tongka.partners.huzhou.codec import PartnerKey, SignMode
from tongka.partners.huzhou.fields import hex_list
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import Blank, furnish, personalise
from tongka.wire import read

NOW = datetime(2026, 1, 1, 9, 30, tzinfo=ZONE)
WHEN = Moment.of(NOW)
TIMES = {"time": "093000", "date": "20260101", "settlement_date": "20260101"}
CLIENT_KEY, PLATFORM_KEY = sm2.generate(), sm2.generate()
MASTERS = KeySet(*(bytes(range(n, n + 16)) for n in (0x10, 0x30, 0x50, 0x70)))
CHALLENGE = bytes.fromhex("A1B2C3D4E5F6")
TERMINAL = bytes.fromhex("000033600001")
SERIAL = bytes.fromhex("00000001")
SALE_DATE = date(2026, 1, 1)


class RefusalError(Exception):
    """Answer this result code."""


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


@dataclass
class FrontDouble(httpx.AsyncBaseTransport):
    """Answers as a card front.

    Attributes:
        accidents: one is drawn for each request: refused, lost, answer lost, forged, endless, an HTTP code, or None.
        requests: all that arrived, with repeats.
        answers: the stored answer of each serial.
        done: the operations that were carried out, without repeats.

    """

    card: SoftwareCard
    mode: SignMode = SignMode.EMPTY
    accidents: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    answers: dict = field(default_factory=dict)
    done: list = field(default_factory=list)
    init: LoadInit | None = None
    debit: PurchaseInit | None = None
    credited: bool = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        self.requests.append((request, body))
        accident = self.accidents.pop(0) if self.accidents else None
        if accident == "refused":
            raise httpx.ConnectError("nobody listens")
        if isinstance(accident, int):
            return httpx.Response(accident)
        if accident == "lost":
            raise httpx.ReadTimeout("the request was lost")
        answer = self.answer(request.url.path.split("/")[-2], body)
        if accident == "answer lost":
            raise httpx.ReadError("cut off")
        if accident == "forged":
            answer = answer.replace(b'"result":"000000"', b'"result":"000001"')
        if accident == "endless":
            answer += b" " * 70_000
        return httpx.Response(200, content=answer)

    def answer(self, name: str, body: bytes) -> bytes:
        message = codec.open_request(body, lambda _: PartnerKey(CLIENT_KEY.public_key, self.mode))
        assert message.envelope.date == "20260101"
        if message.envelope.serial not in self.answers:
            self.answers[message.envelope.serial] = self.fresh_answer(name, message.data)
        return self.answers[message.envelope.serial]

    def fresh_answer(self, name: str, data: dict) -> bytes:
        self.done.append(name)
        operation = messages.OPERATIONS[name]
        try:
            result, answered = getattr(self, _snake(name))(read(operation.request, data))
        except RefusalError as refusal:
            result, answered = str(refusal), None
        text = codec.answer_text(result, "成功" if result == "000000" else "…", answered)
        return codec.seal(text, lambda text: sm2.sign(PLATFORM_KEY, text), self.mode)

    # --- the operations ---

    def card_info_query(self, request):
        script = request.script()
        file15, image = script[1].answer.data, self.card.image
        assert file15 == image.file15.build()
        fixed = dict.fromkeys((f for f in messages.CardInfo.__struct_fields__), "0")
        balance = str(int.from_bytes(script[2].answer.data, "big"))
        return "000000", messages.CardInfo(**fixed | {"card_no": image.card_no, "balance": balance})

    def charge_order_create(self, request):
        if request.payment_order == "UNPAID":
            raise RefusalError("000040")
        script = (command("IDX_0002"), commands.init_for_load(request.amount, TERMINAL).without_le())
        return "000000", messages.ChargeCommands(order_no="O1", count="2", commands=hex_list(script), **TIMES)

    def card_charge_request(self, request):
        exchange = request.script()[-1]
        init = LoadInit.parse(request.amount, TERMINAL, exchange.answer.data)
        if init.mac1 != load_mac1(self.card.image.suite, self.card.image.keys.load, init):
            raise RefusalError("000031")
        self.init = init
        mac2 = load_mac2(self.card.image.suite, self.card.image.keys.load, init, WHEN)
        credit = hex_list((commands.credit_for_load(WHEN, mac2),))
        return "000000", messages.ChargeCommands(order_no="O1", count="1", commands=credit, **TIMES)

    def card_charge_confirm(self, request):
        (exchange,) = request.script()
        if not exchange.answer.ok:
            raise RefusalError("000027")
        assert exchange.answer.data == load_tac(self.card.image.suite, self.card.image.keys.tac, self.init, WHEN)
        self.credited = True
        return "000000", messages.Done(**TIMES)

    def charge_order_cancel(self, request):
        assert (request.card_no, request.order_no) == (self.card.image.card_no, "O1")
        return "000000", None

    def charge_order_query(self, request):
        return "000000", messages.OrderPage(page=request.page, page_size=request.page_size, total=0, pages=0, orders=())

    def charge_order_manage_request(self, request):
        if request.order_no != "O1":
            raise RefusalError("000039")
        if self.credited:
            raise RefusalError("000079")
        prove = commands.get_transaction_prove(TransactionType.EP_LOAD, self.init.online_atc + 1)
        script = (command("IDX_0002"), command("IDX_0004"), commands.init_for_load(0, CHALLENGE), prove)
        script += (command("IDX_0007"), command("IDX_0016"))
        return "000000", messages.ManageCommands(order_no="O1", count=str(len(script)), commands=hex_list(script))

    def charge_order_manage_confirm(self, request):
        script = request.script()
        evidence, proof = LoadInit.parse(0, CHALLENGE, script[2].answer.data), script[3].answer
        assert evidence.mac1 == load_mac1(self.card.image.suite, self.card.image.keys.load, evidence)
        tac = load_tac(self.card.image.suite, self.card.image.keys.tac, self.init, WHEN)
        if proof.ok and proof.data[4:] == tac:
            return "000154", messages.Managed(state="8", **TIMES)
        return ("000152" if evidence.online_atc == self.init.online_atc else "000155"), messages.Managed(**TIMES)

    def card_sale_request(self, request):
        script = request.script(tuple(map(command, ("IDX_0002", "IDX_0004", "IDX_1001"))))
        image = self.card.image
        sold = replace(image.file15, enable_flag=EnableFlag.ENABLED, valid_from=SALE_DATE, valid_to=date(2036, 1, 1))
        head = commands.update_binary_header(0x15, 0, sold.build())
        mac = image.suite.secure_mac(image.keys.maintain, script[2].answer.data, head)
        write = commands.Command.parse(head + mac)
        return "000000", messages.CardCommands(
            reference="R1", order_no="S1", count="1", commands=hex_list((write,)), **TIMES
        )

    def card_sale_confirm(self, request):
        assert (request.order_no, request.reference) == ("S1", "R1")
        if request.card_result != "00":
            raise RefusalError("000027")
        return "000000", messages.CardSold(reference="R2", deposit="1800", deposit_due="1800", **TIMES)

    def card_return_apply(self, request):
        if request.return_type == "1":
            return "000000", self.return_commands("500", ())
        amount = int(request.balance)
        init_command = commands.init_for_purchase(amount, TERMINAL).without_le()
        script = request.script((command("IDX_0002"), command("IDX_0004"), init_command))
        init = self.debit = PurchaseInit.parse(amount, TERMINAL, script[2].answer.data)
        mac1 = purchase_mac1(self.card.image.suite, self.card.image.keys.purchase, init, SERIAL, WHEN)
        return "000000", self.return_commands(str(amount), (commands.debit_for_purchase(SERIAL, WHEN, mac1),))

    def return_commands(self, amount, script):
        return messages.ReturnCommands(
            reference="R3", order_no="B1", amount=amount, count=str(len(script)), commands=hex_list(script), **TIMES
        )

    def card_return_confirm(self, request):
        assert (request.reference, request.order_no) == ("R3", "B1")
        if request.has_answers:
            answer = request.entries
            mac2 = purchase_mac2(self.card.image.suite, self.card.image.keys.purchase, self.debit, SERIAL)
            assert bytes.fromhex(answer)[4:8] == mac2
        return "000000", messages.CardReturned(reference="R4", order_no="B1", **TIMES)


def make_card(**blank) -> SoftwareCard:
    profile = PROFILES["huzhou-ministry-3des"]
    number = profile.asn_prefix.ljust(20, "1")[-profile.card_no_digits :]
    return SoftwareCard(furnish(personalise(profile, number, MASTERS, Blank(**blank))), random.Random(1).randbytes)


IDENTITY = Identity(
    institution="33600001",
    partner="33600001",
    merchant="336000000000001",
    network="0001",
    terminal="33600001",
    operator="op01",
    batch="000001",
    channel="10",
)


@pytest.fixture(params=SignMode)
def mode(request):
    return request.param


@pytest.fixture
def double(mode):
    """A card front before a card with 10 yuan."""
    return FrontDouble(make_card(balance_fen=1_000), mode)


@pytest.fixture
def front(double):
    return CardFront(
        "http://front.test/cardfront/",
        IDENTITY,
        CLIENT_KEY,
        PLATFORM_KEY.public_key,
        mode=double.mode,
        line=Line(pause_s=0),
        clock=lambda: NOW,
        http=httpx.AsyncClient(transport=double),
    )
