"""The card front's messages built from the document, not by the client of the house."""

import itertools
import json
from dataclasses import dataclass
from typing import Any

from tongka.crypto import sm2

ENVELOPE = {
    "joininstid": "90000001",
    "areaflag": "00",
    "reqdate": "20260302",
    "reqtime": "080000",
    "instid": "90000001",
    "mchntid": "900000010000001",
    "netid": "0001",
    "termid": "90000001",
    "oprid": "op01",
    "batchno": "000001",
    "chnlid": "10",
    "termseq": "000001",
}
SERIALS = itertools.count(1)
TABLES = ("orders", "transfer", "reply")


def message(data: Any, **changes: Any) -> dict[str, Any]:
    return ENVELOPE | {"joininstssn": f"{next(SERIALS):012d}"} | changes | {"data": data}


def signed(world, contents: dict[str, Any]) -> bytes:
    text = json.dumps(contents | {"sign": ""}, ensure_ascii=False, separators=(",", ":")).encode()
    return text.replace(b'"sign":""', b'"sign":"' + sm2.sign(world.partner_key, text).hex().upper().encode() + b'"')


@dataclass
class Front:
    """Posts bodies as they are, and checks the platform's signature on every answer."""

    world: Any

    async def post(self, name: str, body: bytes) -> dict[str, Any]:
        answer = await self.world.app.answer(name, body)
        parsed = json.loads(answer)
        unsigned = answer.replace(parsed["sign"].encode(), b"")
        platform = sm2.PublicKey(await self.world.system.hsm.public_key("huzhou"))
        sm2.verify(platform, unsigned, bytes.fromhex(parsed["sign"]))
        return parsed

    async def ask(self, name: str, data: Any, **changes: Any) -> dict[str, Any]:
        return await self.post(name, signed(self.world, message(data, **changes)))

    async def rows(self) -> dict[str, int]:
        count = self.world.database.read_value
        return {table: await count(f"SELECT count(*) FROM {table}") for table in TABLES}


def an_order(card, amount: str = "1000", payment: str = "pay-r", **changes: Any) -> dict[str, Any]:
    return {"cardno": card.image.card_no, "chargetype": "01", "paytype": "02", "payorderno": payment,
            "txnamt": amount} | changes  # fmt: skip


CREATE, REQUEST, CONFIRM = "chargeOrderCreate", "cardChargeRequest", "cardChargeConfirm"
