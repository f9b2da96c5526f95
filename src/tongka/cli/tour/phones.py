"""The chapter of phones: a card is opened in one, paid, topped up, dropped, ridden with, and given back."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tongka.card.apdu import Response
from tongka.card.commands import MINISTRY_AID, CommandKind
from tongka.card.purse import Moment
from tongka.cli.tour.stage import Stage, TourFailed
from tongka.days import ZONE
from tongka.money import format_yuan
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.terminal import Terminal
from tongka.sandbox.wallet.client import TransitCardClient
from tongka.sandbox.wallet.desk import KnownOrder
from tongka.sandbox.wallet.faults import PhoneDied
from tongka.sandbox.wallet.phone import Phone

FIRST_FEN, TOPUP_FEN, FARE_FEN = 2_000, 1_000, 200
GATE = bytes.fromhex("000033600777")
TILL = "sandbox"
WAIT_S = 20
WAITS_MAX = 6


@dataclass(slots=True)
class ShownPhone(Phone):
    """A phone whose APDUs are shown on demand."""

    stage: Stage | None = None

    def transmit(self, se_id: str, apdu: bytes) -> Response | None:
        answer = super(ShownPhone, self).transmit(se_id, apdu)
        if self.stage and answer:
            self.stage.apdu(apdu, answer)
        return answer

    @property
    def purse(self) -> CardImage:
        """What the chip really holds, whatever anybody says."""
        for element in self.elements.values():
            instance = element.image.instances.get(MINISTRY_AID)
            if instance and instance.purse:
                return instance.purse
        raise TourFailed("there is no card in the phone")


@dataclass(frozen=True, slots=True)
class App:
    """A rider's app: Your Server's API, with the rider's token."""

    http: httpx.AsyncClient
    url: str
    token: str

    @classmethod
    async def login(cls, http: httpx.AsyncClient, section: dict[str, Any]) -> "App":
        form = {"grant_type": "password", **section["app_user"][0]}
        answer = await http.post(f"{section['app_url']}/token", data=form)
        return cls(http, section["app_url"], _json(answer)["access_token"])

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": secrets.token_hex(16)}
        return _json(await self.http.request(method, f"{self.url}{path}", json=body, headers=headers))

    async def order(self, business: str, **contents: Any) -> str:
        """Order, pay what it costs, and wait until the card's side has it; its number there."""
        order = await self.ask("POST", "/orders", {"business": business, **contents})
        if order["state"] == "created":
            await self.ask("POST", f"/orders/{order['order_no']}/pay", {"acquirer": TILL})
        return str((await self.until(order["order_no"], "server_order_id"))["server_order_id"])

    async def until(self, order_no: str, field: str) -> dict[str, Any]:
        """The order as soon as it has this field."""
        path, state = f"/orders/{order_no}", ""
        for _ in range(WAITS_MAX):
            order: dict[str, Any] = await self.ask("GET", f"{path}?wait={WAIT_S if state else 0}&state={state}")
            if order[field]:
                return order
            state = order["state"]
        raise TourFailed(f"order {order_no} stays {state}")

    async def paid_out(self, order_no: str) -> dict[str, Any]:
        """How the money of a deleted card has gone back, once none of it is on its way; by server-sent events."""
        headers = {"Authorization": f"Bearer {self.token}"}
        payout: dict[str, Any] = {"state": "sending"}
        async with self.http.stream("GET", f"{self.url}/orders/{order_no}/events", headers=headers) as events:
            async for line in events.aiter_lines():
                name, _, data = line.partition(": ")
                if name == "data" and data.startswith("{"):
                    payout = json.loads(data)["payout"] or payout
        return payout


@dataclass(frozen=True, slots=True)
class AppDesk:
    """How the wallet learns an order's session here: from the rider's app, which hands over what Your Server says."""

    app: App

    async def find(self, server_order_id: str) -> KnownOrder | None:
        order = await self.app.ask("GET", f"/orders/{server_order_id}")
        return KnownOrder(order["session_id"], order["business"], order["device_id"], order["card_no"])


def _json(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise TourFailed(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


async def phone(stage: Stage) -> None:
    """Open, ride, top up with an accident, give back."""
    stage.chapter("A card in a phone, over a secure channel into its chip")
    section = stage.document["wallet"]
    owned = ShownPhone.of(section["secure_elements"][:1], secrets.token_bytes)
    owned.stage = stage
    async with stage.http() as http:
        app = await App.login(http, section)
        wallet = _wallet(http, section, owned, AppDesk(app))
        card_no = await _open(stage, app, wallet, owned)
        _ride(stage, owned)
        await _drop(stage, app, wallet, owned, card_no)
        await _give_back(stage, app, wallet, owned, card_no)


def _wallet(http: httpx.AsyncClient, section: dict[str, Any], owned: Phone, desk: AppDesk) -> TransitCardClient:
    return TransitCardClient(
        http=http,
        seram_url=section["seram_url"],
        desk=desk,
        issuers={section["issuer_id"]: MINISTRY_AID},
        devices=[owned],
        random=secrets.token_bytes,
    )


async def _open(stage: Stage, app: App, wallet: TransitCardClient, owned: ShownPhone) -> str:
    (product, *_) = await app.ask("GET", "/products")
    costs = f"¥{format_yuan(product['price_fen'])} and a deposit of ¥{format_yuan(product['deposit_fen'])}"
    stage.say(f"{product['name']}: {costs}; ¥{format_yuan(FIRST_FEN)} go onto it at once.")
    issuer, device = product["issuer_id"], owned.device_id
    token = await wallet.can_add_transit_card(issuer, device)
    order = await app.order("OPEN", issuer_id=issuer, device_id=device, amount_fen=FIRST_FEN)
    stage.say("Paid. The chip opens its channel, installs the purse, takes files and keys.")
    card = await wallet.add_transit_card(token, order)
    stage.expect(
        card.balance == FIRST_FEN == owned.purse.balance_fen, f"card {card.card_number} is in the phone: {_yuan(owned)}"
    )
    return str(card.logical_card_number)


def _ride(stage: Stage, owned: ShownPhone) -> None:
    """A gate that knows this card's key debits it without a network."""
    before, purse = owned.purse.balance_fen, owned.purse
    (element,) = owned.elements.values()
    gate = Terminal(element, purse.suite, purse.keys, GATE)
    gate.select()
    gate.purchase(FARE_FEN, secrets.token_bytes(4), Moment.of(datetime.now(ZONE)))
    stage.expect(owned.purse.balance_fen == before - FARE_FEN, f"held to a gate like plastic: {_yuan(owned)}")


async def _drop(stage: Stage, app: App, wallet: TransitCardClient, owned: ShownPhone, card_no: str) -> None:
    before = owned.purse.balance_fen
    order = await app.order("TOPUP", card_no=card_no, amount_fen=TOPUP_FEN)
    owned.faults.die_after = CommandKind.CREDIT_FOR_LOAD
    try:
        await wallet.recharge_transit_card(card_no, owned.device_id, order)
    except PhoneDied:
        stage.say("The phone falls and is off: the chip has loaded, and nobody has seen its answer.")
    else:
        raise TourFailed("the phone was to die, and did not")
    owned.switch_on()
    outcomes = await wallet.resume()
    stage.expect(outcomes == {order: None}, "switched on again, the wallet takes the order up; the card's TAC decides")
    stage.expect(owned.purse.balance_fen == before + TOPUP_FEN, f"¥{format_yuan(TOPUP_FEN)} once: {_yuan(owned)}")


async def _give_back(stage: Stage, app: App, wallet: TransitCardClient, owned: ShownPhone, card_no: str) -> None:
    balance = owned.purse.balance_fen
    order = await app.order("DELETE", card_no=card_no)
    await wallet.delete_transit_card(card_no, owned.device_id, order)
    (held, *_) = await app.ask("GET", "/cards")
    gone = not any(element.image.instances for element in owned.elements.values())
    stage.expect(gone and held["card_no"] == card_no and held["place"] == "gone", "the card is deleted")
    payout = await app.paid_out(order)
    deposit = payout["done_fen"] - balance
    stage.expect(
        payout["state"] == "done" and payout["owed_fen"] == 0 < deposit,
        f"the till has paid back its ¥{format_yuan(balance)} and the deposit of ¥{format_yuan(deposit)}",
    )


def _yuan(owned: ShownPhone) -> str:
    return f"[bold]¥{format_yuan(owned.purse.balance_fen)}[/]"
