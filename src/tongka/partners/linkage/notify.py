"""Telling merchants that their prepaid account is low, at the address that was agreed with them.

JSON is posted. The header `Tongka-Signature` is ``t=<seconds since 1970>,v1=<hex>``: HMAC-SHA256, under the key that
`tongka prepaid notify` showed, of that number, a full stop and the body. Any 2xx takes a notice; what is not taken is
posted again on the schedule of `tongka.delivery`, with the same `notice_no`.
"""

import hashlib
import hmac
from functools import partial

import httpx
import msgspec
import structlog

from tongka import delivery
from tongka.days import ZONE
from tongka.errors import Refused
from tongka.store import prepaid_notices
from tongka.store.prepaid_notices import Notice
from tongka.system import System

SIGNATURE = "Tongka-Signature"

log = structlog.get_logger()


class LowBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What is told. Amounts are fen; the balance is that of the moment when it was noticed."""

    event: str = "prepaid.low_balance"
    notice_no: int
    merchant: str
    domain: str
    balance_fen: int
    low_balance_fen: int
    low_since: str


def key_context(merchant: str, domain: str) -> bytes:
    """What a sealed key is bound to."""
    return f"prepaid notices {merchant} {domain}".encode()


async def send_due(system: System) -> int:
    """Post what is due; answers how many were taken."""
    now = system.clock()
    due = await prepaid_notices.claim(system.database, now, now + delivery.LEASE, delivery.AT_ONCE)
    return await delivery.deliver_all(due, partial(_deliver, system))


async def _deliver(system: System, http: httpx.AsyncClient, notice: Notice) -> bool:
    taken = await _post(system, http, notice)
    now = system.clock()
    next_at = delivery.next_try(now, notice.attempts)
    if taken or next_at is None:
        await prepaid_notices.end(system.database, notice, now, taken=taken)
    else:
        await prepaid_notices.again(system.database, notice, next_at)
    if not taken and next_at is None:
        log.warning("low balance notice given up", merchant=notice.merchant, notice_no=notice.notice_no)
    return taken


async def _post(system: System, http: httpx.AsyncClient, notice: Notice) -> bool:
    try:
        key = await system.hsm.unseal(notice.sealed_key, key_context(notice.merchant, notice.domain))
    except Refused as error:
        log.error("low balance notice not sent: its key can't be unsealed", merchant=notice.merchant, error=str(error))  # noqa: TRY400
        return False
    body = body_of(notice)
    headers = {"Content-Type": "application/json", SIGNATURE: signature(key, body, int(system.clock().timestamp()))}
    return await delivery.post(http, notice.url, content=body, headers=headers) is not None


def body_of(notice: Notice) -> bytes:
    told = LowBalance(
        notice_no=notice.notice_no,
        merchant=notice.merchant,
        domain=notice.domain,
        balance_fen=notice.balance_fen,
        low_balance_fen=notice.low_balance_fen,
        low_since=notice.low_since.astimezone(ZONE).isoformat(timespec="seconds"),
    )
    return msgspec.json.encode(told)


def signature(key: bytes, body: bytes, at_s: int) -> str:
    """The header's value; `key` is the text that was shown, as ASCII."""
    mac = hmac.new(key, f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={mac.hexdigest()}"
