"""Asynchronous notices: merchants are told of settled trades at the notify_url of the call that settled them.

A form is posted, signed over every parameter but `sign` and `sign_type`; the merchant answers the body `success`. A
notice is committed with its trade and stands in its table until it is taken or every try of the schedule is spent; a
worker that dies leaves it to the next when the lease is over.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import httpx
import structlog

from tongka.days import ZONE
from tongka.keys import RsaHash
from tongka.money import format_yuan
from tongka.partners.alipay import codec
from tongka.partners.alipay.messages import TIME_FORMAT
from tongka.partners.alipay.serve import ENDPOINT
from tongka.store import rides
from tongka.store.rides import Notice
from tongka.system import System

PAUSES: Final = tuple(timedelta(minutes=minutes) for minutes in (4, 10, 10, 60, 120, 360, 900))
"""After the first try and each of the next; then no more."""

TAKEN: Final = "success"
ANSWER_MAX: Final = 64
"""Bytes of an answer that are looked at."""

AT_ONCE: Final = 20
TIMEOUT_S: Final = 10
LEASE: Final = timedelta(seconds=60)

log = structlog.get_logger()


@asynccontextmanager
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Redirects are not followed: a notice goes where the merchant signed for, or nowhere."""
    async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as http:
        yield http


async def send_due(system: System) -> int:
    """Post what is due; answers how many were taken."""
    now = system.clock()
    due = await rides.claim_notices(system.database, now, now + LEASE, AT_ONCE)
    if not due:
        return 0
    async with client() as http:
        return sum(await asyncio.gather(*(_deliver(system, http, notice) for notice in due)))


async def _deliver(system: System, http: httpx.AsyncClient, notice: Notice) -> bool:
    taken = await _post(http, notice.url, await signed_form(system, notice))
    if taken:
        await rides.notice_taken(system.database, notice, system.clock())
        return True
    next_at = next_try(system.clock(), notice.attempts)
    if next_at is None:
        log.warning("notice given up", app_id=notice.app_id, out_trade_no=notice.out_trade_no)
    await rides.notice_again(system.database, notice, next_at)
    return False


def next_try(now: datetime, attempts: int) -> datetime | None:
    """When to try again after so many tries; None: never."""
    return now + PAUSES[attempts - 1] if attempts <= len(PAUSES) else None


async def _post(http: httpx.AsyncClient, url: str, form: dict[str, str]) -> bool:
    """Whether the merchant took it."""
    try:
        async with http.stream("POST", url, data=form) as answer:
            body = b""
            async for chunk in answer.aiter_bytes(ANSWER_MAX):
                body += chunk
                if len(body) > ANSWER_MAX:
                    break
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.is_success and body.strip() == TAKEN.encode()


async def signed_form(system: System, notice: Notice) -> dict[str, str]:
    """The parameters of a notice; the same notify_id each time."""
    form = {
        "notify_time": system.clock().astimezone(ZONE).strftime(TIME_FORMAT),
        "notify_type": "trade_status_sync",
        "notify_id": hashlib.sha256(f"{notice.app_id} {notice.out_trade_no}".encode()).hexdigest()[:32],
        "app_id": notice.app_id,
        "charset": "utf-8",
        "version": "1.0",
        "out_trade_no": notice.out_trade_no,
        "trade_no": notice.trade_no,
        "trade_status": "TRADE_SUCCESS",
        "buyer_id": notice.user_id,
        "seller_email": notice.seller,
        "total_amount": format_yuan(notice.amount_fen),
        "subject": notice.subject,
        "gmt_payment": notice.settled_at.astimezone(ZONE).strftime(TIME_FORMAT),
        "sign_type": RsaHash.SHA256.value,
    }
    text = codec.signed_text(form, without=("sign", "sign_type"))
    signature = await system.hsm.sign_rsa(ENDPOINT, RsaHash.SHA256, text.encode())
    return form | {"sign": base64.b64encode(signature).decode()}
