"""The OneCard API's messages built from the document, not by the client of the house."""

import hashlib
import itertools
import json
from dataclasses import dataclass
from typing import Any

from tongka.partners.linkage.serve import OneCardServer

DOMAIN, CHANNEL, KEY = "01", "02", "00112233445566778899AABBCCDDEEFF"
TERMINAL, MERCHANT = "000000000201", "B1"
COUNTER = {"DeptNo": "dept", "OperNo": "oper"}
TRANSFER = {"BalunitNo": MERCHANT, "DeviceNo": "device"}
PASSWORD = "n0tGuess"
ADDRESS = "127.0.0.1"
PAYMENTS = itertools.count(1)
LOAD, UNLOAD = "01", "03"


def paid(**changes: str) -> dict[str, str]:
    """The payment's fields of mac1authal, another payment each time."""
    return {"ChannelNo": CHANNEL, "PaymentType": "01", "AccountNo": "someone", "PaymentTradeID": f"p{next(PAYMENTS)}",
            "OperateMode": "02", "PhoneModel": "a phone", "LinkAddr": "here"} | changes  # fmt: skip


def token(fields: dict[str, str], key: str = KEY) -> str:
    """token算法说明: upper-case names, sorted, without empty values."""
    named = {name.upper(): value for name, value in fields.items() if value != "" and name != "Token"}
    text = "&".join(f"{name}={named[name]}" for name in sorted(named))
    return hashlib.md5(f"{text}&CHANNELKEY={key}".encode()).hexdigest().upper()  # noqa: S324 - the document's


def sealed(fields: dict[str, str], key: str = KEY) -> bytes:
    whole = {"OrigionDomain": DOMAIN} | fields
    return json.dumps({"Token": token(whole, key)} | whole, ensure_ascii=False).encode()


@dataclass
class Card:
    """A card as a terminal drives it, by hand-made APDUs."""

    plastic: Any
    now: Any

    @property
    def number(self) -> str:
        return self.plastic.image.card_no

    @property
    def balance(self) -> int:
        return self.plastic.image.balance_fen

    def init(self, amount: int, trade_type: str = LOAD, terminal: str = TERMINAL) -> dict[str, str]:
        """INIT FOR LOAD (or UNLOAD), and its answer and the moment in the API's fields."""
        self.plastic.power_on()
        self.plastic.transmit(bytes.fromhex("00A4040008A000000632010105"))
        head = "805000020B01" if trade_type == LOAD else "805005010B01"
        data, sw = self.plastic.transmit(bytes.fromhex(f"{head}{amount:08X}{terminal}10"))
        assert sw == 0x9000, hex(sw)
        return {
            "CardOldBal": str(int.from_bytes(data[:4])),
            "CardTradeNo": data[4:6].hex().upper(),
            "KeyVersion": data[6:7].hex().upper(),
            "ArithIndex": data[7:8].hex().upper(),
            "RndNumber2": data[8:12].hex().upper(),
            "Mac1": data[12:].hex().upper(),
            "TermNo": terminal,
            "CardType": "01",
            "TradeType": trade_type,
            "TradeMoney": str(amount),
            "HostDate": f"{self.now():%Y%m%d}",
            "HostTime": f"{self.now():%H%M%S}",
        }

    def names(self, number: str = "CardNo", asn: str = "ASN") -> dict[str, str]:
        return {number: self.number, asn: self.plastic.image.file15.asn}

    def complete(self, init: dict[str, str], answer: dict[str, str]) -> int:
        """CREDIT FOR LOAD (or DEBIT FOR UNLOAD); its status word."""
        head = "805200000B" if init["TradeType"] == LOAD else "805403000B"
        command = f"{head}{init['HostDate']}{init['HostTime']}{answer['Mac2']}"
        return self.plastic.transmit(bytes.fromhex(command)).sw


@dataclass
class Desk:
    """Posts messages as anybody could write them."""

    server: OneCardServer

    async def raw(self, path: str, body: bytes, address: str = ADDRESS) -> dict[str, str]:
        return json.loads(await self.server.answer(path, body, address))

    async def ask(self, path: str, **fields: str) -> dict[str, str]:
        return await self.raw(path, sealed(fields))

    async def verify(self, card: Card, init: dict[str, str]) -> dict[str, str]:
        told = {name: init[name] for name in ("CardOldBal", "CardTradeNo")}
        return await self.ask("/tuxedo/alverify", CarNo=card.number, **told)

    async def authorise(self, card: Card, init: dict[str, str], trade_id: str, **changes: str) -> dict[str, str]:
        fields = paid(PaymentTradeID=f"p-{trade_id}") | init | card.names("CarNo") | {"TradeID": trade_id} | changes
        return await self.ask("/tuxedo/mac1authal", **fields)

    async def transfer(self, card: Card, init: dict[str, str], trade_id: str, **changes: str) -> dict[str, str]:
        fields = TRANSFER | init | card.names("CardNo", "Asn") | {"TradeId": trade_id} | changes
        return await self.ask("/prepay/accttranssupply", **fields)

    async def cash(self, card: Card, init: dict[str, str], **changes: str) -> dict[str, str]:
        return await self.ask("/card/supply", **(COUNTER | init | card.names() | changes))

    async def recharge(self, card: Card, init: dict[str, str], tac: str, **changes: str) -> dict[str, str]:
        fields = COUNTER | init | card.names("CardNo", "Asn") | {"Tac": tac} | changes
        return await self.ask("/recharcard/supply", **fields)

    async def group(self, card: Card, init: dict[str, str], **changes: str) -> dict[str, str]:
        return await self.ask("/group/supply", **(COUNTER | init | card.names() | changes))

    async def unlock(self, card: Card, password: str) -> dict[str, str]:
        return await self.ask("/group/verify", ASN=card.number, PassWord=password)

    async def top_up(self, card: Card, amount: int) -> tuple[dict[str, str], dict[str, str], str]:
        """Up to MAC2: the INIT, the answer, the TradeID."""
        init = card.init(amount)
        trade = await self.verify(card, init)
        answer = await self.authorise(card, init, trade["TradeID"])
        return init, answer, trade["TradeID"]
