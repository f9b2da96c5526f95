"""Asynchronous notices: merchants are told of settled trades at the notify_url of the call that settled them.

A form is posted, signed over every parameter but `sign` and `sign_type`; the merchant answers the body `success`. A
notice is committed with its trade and stands in its table until it is taken or every try of the schedule is spent.
"""

import base64
import hashlib
from functools import partial
from typing import Final

import httpx
import structlog

from tongka import delivery
from tongka.days import ZONE
from tongka.keys import RsaHash
from tongka.money import format_yuan
from tongka.partners.alipay import codec
from tongka.partners.alipay.messages import TIME_FORMAT
from tongka.partners.alipay.serve import ENDPOINT
from tongka.store import rides
from tongka.store.rides import Notice
from tongka.system import System

TAKEN: Final = b"success"

log = structlog.get_logger()


async def send_due(system: System) -> int:
    """Post what is due; answers how many were taken."""
    now = system.clock()
    due = await rides.claim_notices(system.database, now, now + delivery.LEASE, delivery.AT_ONCE)
    return await delivery.deliver_all(due, partial(_deliver, system))


async def _deliver(system: System, http: httpx.AsyncClient, notice: Notice) -> bool:
    answer = await delivery.post(http, notice.url, data=await signed_form(system, notice))
    if answer is not None and answer.strip() == TAKEN:
        await rides.notice_taken(system.database, notice, system.clock())
        return True
    next_at = delivery.next_try(system.clock(), notice.attempts)
    if next_at is None:
        log.warning("notice given up", app_id=notice.app_id, out_trade_no=notice.out_trade_no)
    await rides.notice_again(system.database, notice, next_at)
    return False


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
