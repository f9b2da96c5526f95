"""A gateway in process over a real database, and a merchant who speaks to it from the document alone."""

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from tongka.code.layout import PLAIN_CARD_TYPE, Format, parse_code
from tongka.code.record import build_record
from tongka.crypto import sm2
from tongka.days import ZONE
from tongka.journeys import ride_code
from tongka.keys.keyring import KeyRing
from tongka.keys.software import SoftwareHsm
from tongka.ledger import Account
from tongka.partners.alipay.serve import ENDPOINT, GatewayServer
from tongka.payments.vouched import Vouched
from tongka.settings import Rides, Settings
from tongka.store import merchants, riders
from tongka.store.ledger_checks import check
from tongka.store.merchants import MerchantApp
from tongka.store.parties import Parties
from tongka.store.riders import CardType
from tongka.store.stamp import Stamp
from tongka.system import System

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=ZONE)
APP, OTHER_APP = "2021000000000001", "2021000000000002"
SELLER = "transit@example.com"
POSTPAID, PREPAID = "GJ330500", "GJ330501"
RICH, POOR, EMPTY = "2088000000000001", "2088000000000002", "2088000000000003"
BALANCES = {RICH: 1_000_000, POOR: 300, EMPTY: 0}
DEBT_LIMIT_FEN = 1_000
OFFLINEPAY = "alipay.commerce.transport.offlinepay."


@pytest.fixture(scope="session")
def rsa_keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """The merchant's and the platform's."""
    return tuple(rsa.generate_private_key(65537, 2048) for _ in range(2))


def sign(key: rsa.RSAPrivateKey, text: str, sign_type: str = "RSA2") -> str:
    hashed = SHA256() if sign_type == "RSA2" else SHA1()  # noqa: S303 - sign_type RSA
    return base64.b64encode(key.sign(text.encode(), PKCS1v15(), hashed)).decode()


def signed_text(parameters: dict[str, str]) -> str:
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != "sign")


@dataclass
class Gateway:
    """A system that serves the gateway, and what its merchant needs."""

    system: System
    server: GatewayServer
    app_key: rsa.RSAPrivateKey
    now: list[datetime]
    public_key: Any = None
    _numbers: Any = field(default_factory=lambda: count(1))

    @property
    def database(self):
        return self.system.database

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.now[0], self.now[0].date(), "test")

    def pass_time(self, **much: float) -> None:
        self.now[0] += timedelta(**much)

    def common(self, method: str, biz: Any, **changes: Any) -> dict[str, str]:
        """Every parameter, signed; a change to None leaves one out, `sign` included."""
        parameters = {
            "app_id": APP,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": self.now[0].strftime("%Y-%m-%d %H:%M:%S"),
            "version": "1.0",
        }
        if biz is not None:
            parameters["biz_content"] = biz if isinstance(biz, str) else json.dumps(biz, ensure_ascii=False)
        given = {name: text for name, text in (parameters | changes).items() if text is not None}
        if "sign" not in changes:
            given["sign"] = sign(self.app_key, signed_text(given), given.get("sign_type") or "RSA")
        return given

    async def post(self, query: dict[str, str], body: dict[str, str], *, node: str) -> dict[str, Any]:
        """Send parameters as split; the node, whose signature is checked over its very bytes."""
        raw = await self.server.answer(urlencode(query).encode(), urlencode(body).encode())
        return self.opened(raw, node, (query | body).get("sign_type") or "RSA")

    def opened(self, raw: bytes, node: str, sign_type: str | None = "RSA2") -> dict[str, Any]:
        head, tail = b'{"%s":' % node.encode(), raw.rindex(b',"sign":"')
        assert raw.startswith(head), raw[:80]
        signature = base64.b64decode(json.loads(raw)["sign"])
        hashed = SHA1() if sign_type == "RSA" else SHA256()  # noqa: S303 - sign_type RSA
        self.public_key.verify(signature, raw[len(head) : tail], PKCS1v15(), hashed)
        return json.loads(raw)[node]

    async def ask(self, method: str, biz: Any = None, **changes: Any) -> dict[str, Any]:
        method = method if method.startswith("alipay.") else OFFLINEPAY + method
        given = self.common(method, biz, **changes)
        return await self.post(given, {}, node=method.replace(".", "_") + "_response")

    # --- rides --------------------------------------------------------------------------------------------------------

    async def code(self, user: str = RICH, kind: Format = Format.ALIPAY, card_no: str = "", **at: Any) -> bytes:
        return await ride_code.issue(self.system, user, kind, card_no, **at)

    def record(self, code: bytes, *, pos: str = "gate-1", record_id: str = "", at: datetime | None = None) -> str:
        """What a gate writes for a code."""
        param = {
            "pos_id": pos,
            "type": "SINGLE",
            "subject": "bus192",
            "record_id": record_id or f"r{next(self._numbers)}",
        }
        return build_record(
            code=code,
            user_id=parse_code(code).user_id,
            pos_param=json.dumps(param).encode(),
            at=int((at or self.now[0]).timestamp()),
            sdk_version=b"test",
        )

    def trade(self, *records: str, user: str = RICH, amount: Any = "2.00", **changes: Any) -> dict[str, Any]:
        usual = {
            "user_id": user,
            "out_trade_no": f"T{next(self._numbers)}",
            "actual_order_time": self.now[0].strftime("%Y-%m-%d %H:%M:%S"),
            "subject": "公交-19路",
            "amount": amount,
            "records": list(records),
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    async def ride(self, user: str = RICH, amount: Any = "2.00", **changes: Any) -> dict[str, Any]:
        """A trade of one fresh ride."""
        return self.trade(self.record(await self.code(user)), user=user, amount=amount, **changes)

    async def settle(self, *trades: Any, **common: Any) -> list[dict[str, Any]]:
        node = await self.ask("trade.settle", {"trade_list": list(trades)}, **common)
        assert node["code"] == "10000", node
        assert "sub_code" not in node
        return node["result_list"]

    async def balance(self, user: str) -> tuple[int, int]:
        """What a rider holds and owes, in fen."""
        found = await riders.find(self.database, user)
        return found.balance_fen, found.debt_fen

    async def books(self) -> None:
        """Nothing in the books contradicts anything."""
        findings = await check(self.database)
        assert not findings, findings


@pytest.fixture
async def gateway(database, rsa_keys) -> Gateway:
    app_key, platform_key = rsa_keys
    now = [NOON]
    ring = KeyRing({}, {"gates": sm2.generate()}, {}, {ENDPOINT: platform_key}, secrets.token_bytes(32))
    system = System(
        settings=Settings(rides=Rides(debt_limit_fen=DEBT_LIMIT_FEN)),
        database=database,
        hsm=SoftwareHsm(ring),
        payments=Vouched(),
        parties=await Parties.load(database),
        clock=lambda: now[0],
        random=secrets.token_bytes,
    )
    public = app_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    await merchants.add(database, MerchantApp(APP, "Transit", public, SELLER))
    for kind in (
        CardType(PLAIN_CARD_TYPE, "公交付款", "", prepaid=False),
        CardType(POSTPAID, "公交卡", APP, prepaid=False),
        CardType(PREPAID, "预付公交卡", APP, prepaid=True),
    ):
        await riders.add_card_type(database, kind)
    await riders.open_riders(
        database, BALANCES, debt_limit_fen=DEBT_LIMIT_FEN, at=NOON, source=Account.OPENING_BALANCES
    )
    await riders.sign_agreement(database, list(BALANCES), PLAIN_CARD_TYPE, NOON)
    opened = Gateway(system, GatewayServer(system), app_key, now)
    opened.public_key = load_der_public_key(await system.hsm.rsa_public_key(ENDPOINT))
    return opened
