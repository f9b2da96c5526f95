"""The Wallet App with the published methods of `TransitCardClient`, in Python's spelling.

What a session came to is told by the last notification, ``state/reason``: done is success; failed and cancelled
say that the order could not be confirmed; anything else, also silence after something ran, leaves the result unknown.
An order whose phone died half way is remembered, and taken up by `resume`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Never

import httpx
import msgspec

from tongka.errors import Failed, Refused, TongkaError
from tongka.sandbox.element.machine import SoftwareElement
from tongka.sandbox.wallet import cards
from tongka.sandbox.wallet.agent import Ended, LocalAgent, Sleep
from tongka.sandbox.wallet.cards import CardMetadata, CardMetadataInDevice, TransitCardInfo, Unreadable
from tongka.sandbox.wallet.codes import error
from tongka.sandbox.wallet.desk import KnownOrder, OrderDesk
from tongka.sandbox.wallet.phone import DeviceType, Phone

TOKEN_BYTES = 32
"""64 characters in hex."""
DONE = "done"
CARD_EXISTS = "card_exists"
"""The server's reason: the element holds a card that is in use."""

NOT_INSTALLED, NOT_READY, WATCH_GONE, TOO_OLD = 1010200002, 1010200003, 1010200006, 1010200008
CHIP_FULL, NETWORK, INTERNAL, NOT_THE_OWNER = 1010200009, 1010200010, 1010200013, 1010200014
CARD_STATUS, NOT_READ = 1010210101, 1010210119
UNSUPPORTED, CONFLICT, EXISTS, OFFLINE, CONDITIONS = 1010210201, 1010210202, 1010210203, 1010210204, 1010210301


@dataclass(frozen=True, slots=True)
class Business:
    """One thing that is done with a card, and the codes of its ends.

    Attributes:
        name: as in IF4's orders.
        not_confirmed: nothing was written.
        unknown: it broke off.
        no_card, bad_status: there is no such card in the device, or it is locked; 0 where the method has no code.

    """

    name: str
    not_confirmed: int
    unknown: int
    no_card: int = 0
    bad_status: int = 0


ADD = Business("OPEN", 1010210302, 1010210319)
RECHARGE = Business("TOPUP", 1010210403, 1010210419, no_card=1010210401, bad_status=1010210402)
UPDATE = Business("UPDATE", 1010210503, 1010210519, no_card=1010210501, bad_status=1010210502)
DELETE = Business("DELETE", 1010210601, 1010210619)
BUSINESSES = (ADD, RECHARGE, UPDATE, DELETE)


@dataclass(slots=True)
class Conditions:
    """What may keep the wallet from working, to be set by a trial."""

    installed: bool = True
    ready: bool = True
    up_to_date: bool = True
    owner: bool = True
    additions_offline: bool = False


@dataclass(slots=True)
class TransitCardClient:
    """A wallet with the devices of one user.

    Attributes:
        issuers: the AID of each issuer's card, by issuerId.
        devices: the phone first, then watches.
        tokens: what `can_add_transit_card` gave out: issuer and device.
        unfinished: orders that broke off, by serverOrderId.
        void: numbers of cards whose opening was given up; what is left of them in an element is not shown.

    """

    http: httpx.AsyncClient
    seram_url: str
    desk: OrderDesk
    issuers: Mapping[str, bytes]
    devices: Sequence[Phone]
    random: Callable[[int], bytes]
    sleep: Sleep = asyncio.sleep
    conditions: Conditions = field(default_factory=Conditions)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    unfinished: dict[str, Business] = field(default_factory=dict)
    void: set[str] = field(default_factory=set)

    # --- looking ------------------------------------------------------------------------------------------------------

    async def get_card_metadata_in_device(self, device_type: DeviceType) -> list[CardMetadataInDevice]:
        """`getCardMetadataInDevice`: each device of that type, with the cards that it has or can have."""
        self._require_environment()
        found = [device for device in self.devices if device.type == device_type]
        for device in found:
            _require_connected(device)
        return [
            CardMetadataInDevice(device.device_id, device.type, device.name, tuple(self._cards(device)))
            for device in found
        ]

    def _cards(self, device: Phone) -> list[CardMetadata]:
        return [self._card(device, issuer_id) for issuer_id in self.issuers]

    def _card(self, device: Phone, issuer_id: str) -> CardMetadata:
        """The issuer's card in the device, or what it would be."""
        aid = self.issuers[issuer_id]
        for element in device.elements.values():
            try:
                card = cards.read_metadata(element, aid, issuer_id)
            except Unreadable:
                continue
            if card.logical_card_number not in self.void:
                return card
        return CardMetadata(issuer_id, aid.hex().upper())

    async def get_transit_card_info(self, logical_card_number: str, device_id: str) -> TransitCardInfo:
        """`getTransitCardInfo`."""
        self._require_environment()
        device = self._device(device_id, CARD_STATUS)
        element, card = self._find(device, logical_card_number) or _raise(CARD_STATUS, "there is no such card")
        try:
            data = cards.read_data(element, bytes.fromhex(card.aid))
        except Unreadable as unreadable:
            raise error(NOT_READ, str(unreadable)) from unreadable
        return TransitCardInfo(logical_card_number, msgspec.json.encode(data).decode())

    def _find(self, device: Phone, number: str) -> tuple[SoftwareElement, CardMetadata] | None:
        for issuer_id, aid in self.issuers.items():
            for element in device.elements.values():
                try:
                    card = cards.read_metadata(element, aid, issuer_id)
                except Unreadable:
                    continue
                if card.logical_card_number == number:
                    return element, card
        return None

    # --- conditions ---------------------------------------------------------------------------------------------------

    async def can_add_transit_card(self, issuer_id: str, device_id: str) -> str:
        """`canAddTransitCard`: a token of 64 characters, for one addition."""
        self._require_environment()
        device = self._device(device_id, UNSUPPORTED)
        _require_connected(device)
        if not self.conditions.up_to_date:
            raise error(TOO_OLD)
        if self.conditions.additions_offline:
            raise error(OFFLINE)
        if issuer_id not in self.issuers:
            raise error(UNSUPPORTED, f"issuer {issuer_id}")
        self._require_room(device, issuer_id)
        token = self.random(TOKEN_BYTES).hex()
        self.tokens[token] = (issuer_id, device_id)
        return token

    def _require_room(self, device: Phone, issuer_id: str) -> None:
        """The card may be there already, or what hinders it, or there is no place left for it."""
        if self._card(device, issuer_id).logical_card_number:
            raise error(EXISTS)
        if self._has_locked(device, issuer_id):
            raise error(CONFLICT, "a locked card has this place")
        images = (element.image for element in device.elements.values())
        if all(len(image.instances) >= image.room for image in images):
            raise error(CHIP_FULL)

    async def setup_wallet_environment(self) -> None:
        """`setupWalletEnvironment`: installs the wallet, and has the user agree and log in."""
        if not self.conditions.owner:
            raise error(NOT_THE_OWNER)
        self.conditions.installed = self.conditions.ready = True

    # --- the four businesses ------------------------------------------------------------------------------------------

    async def add_transit_card(self, add_card_opaque_data: str, server_order_id: str) -> CardMetadata:
        """`addTransitCard`; the opaque data is the token of `can_add_transit_card`, which serves one order."""
        self._require_environment()
        if add_card_opaque_data not in self.tokens:
            raise error(CONDITIONS, "the token is not known, or was used")
        issuer_id, device_id = self.tokens[add_card_opaque_data]
        device = self._device(device_id, CONDITIONS)
        await self._carry_out(ADD, server_order_id, device)
        del self.tokens[add_card_opaque_data]
        return self._card(device, issuer_id)

    async def recharge_transit_card(self, logical_card_number: str, device_id: str, server_order_id: str) -> int:
        """`rechargeTransitCard`: the new balance in fen."""
        device = self._device_with(RECHARGE, logical_card_number, device_id)
        await self._carry_out(RECHARGE, server_order_id, device)
        found = self._find(device, logical_card_number)
        if found is None or found[1].balance is None:
            raise error(RECHARGE.unknown, "the card cannot be read any more")
        return found[1].balance

    async def update_transit_card(self, logical_card_number: str, device_id: str, server_order_id: str) -> None:
        """`updateTransitCard`."""
        await self._carry_out(UPDATE, server_order_id, self._device_with(UPDATE, logical_card_number, device_id))

    async def delete_transit_card(self, _logical_card_number: str, device_id: str, server_order_id: str) -> None:
        """`deleteTransitCard`; a card that is gone already is the server's business to confirm."""
        self._require_environment()
        await self._carry_out(DELETE, server_order_id, self._device(device_id, DELETE.not_confirmed))

    async def resume(self) -> dict[str, TongkaError | None]:
        """After the phone was switched on again: take up every order that broke off; each with what it came to."""
        return {order: await self._again(order, business) for order, business in dict(self.unfinished).items()}

    async def _again(self, server_order_id: str, business: Business) -> TongkaError | None:
        try:
            await self._carry_out(business, server_order_id, None)
        except TongkaError as wrong:
            return wrong
        return None

    # --- carrying out -------------------------------------------------------------------------------------------------

    async def _carry_out(self, business: Business, server_order_id: str, device: Phone | None) -> None:
        """Fetch an order's session and run it; what it came to, as an error where it is not done."""
        known = await self._confirmed(business, server_order_id, device)
        self.unfinished[server_order_id] = business
        notice = await self._run(business, known.session_id, self._device(known.device_id, business.not_confirmed))
        state = notice.partition("/")[0]
        if state not in {DONE, "failed", "cancelled"}:
            raise error(business.unknown, notice)
        del self.unfinished[server_order_id]
        if state != DONE:
            self._given_up(business, known, notice)
            raise error(business.not_confirmed, notice)

    async def _confirmed(self, business: Business, server_order_id: str, device: Phone | None) -> KnownOrder:
        """The order, if it is what the app says that it is; one that is not is not taken up again."""
        try:
            known = await self.desk.find(server_order_id)
        except Failed as lost:
            raise error(NETWORK, str(lost)) from lost
        except Refused:
            known = None
        of_device = known is not None and (device is None or device.device_id == known.device_id)
        if known is None or known.business != business.name or not of_device:
            self.unfinished.pop(server_order_id, None)
            raise error(business.not_confirmed, f"order {server_order_id} is none of this kind for this device")
        return known

    async def _run(self, business: Business, session_id: str, device: Phone) -> str:
        ended = Ended()
        try:
            await LocalAgent(self.http, self.seram_url, device, self.sleep).run(session_id, ended)
        except Failed as lost:
            raise error(business.unknown if ended.executed else NETWORK, str(lost)) from lost
        except Refused as refused:
            raise error(business.unknown if ended.executed else business.not_confirmed, str(refused)) from refused
        return ended.notice

    def _given_up(self, business: Business, known: KnownOrder, notice: str) -> None:
        """A card that was to be added is none, even where it already stands in the element.

        Unless it is in use after all, as where only its first top-up was withdrawn: the next addition is told so.
        """
        if business is ADD and notice.endswith(CARD_EXISTS):
            self.void.clear()
        elif business is ADD and known.card:
            self.void.add(known.card)

    def _device_with(self, business: Business, number: str, device_id: str) -> Phone:
        self._require_environment()
        device = self._device(device_id, business.no_card)
        if self._find(device, number) is None:
            locked = any(self._has_locked(device, issuer_id) for issuer_id in self.issuers)
            raise error(business.bad_status if locked else business.no_card, f"card {number}")
        return device

    def _has_locked(self, device: Phone, issuer_id: str) -> bool:
        """Whether a card of the issuer is there, and locked: it cannot even be read."""
        found = (element.image.instances.get(self.issuers[issuer_id]) for element in device.elements.values())
        return any(one is not None and one.locked for one in found)

    def _device(self, device_id: str, otherwise: int) -> Phone:
        device = next((one for one in self.devices if one.device_id == device_id), None)
        return device or _raise(otherwise, f"device {device_id} is not this user's")

    def _require_environment(self) -> None:
        wanted = {
            NOT_THE_OWNER: self.conditions.owner,
            NOT_INSTALLED: self.conditions.installed,
            NOT_READY: self.conditions.ready,
        }
        for number, fulfilled in wanted.items():
            if not fulfilled:
                raise error(number)


def _require_connected(device: Phone) -> None:
    if not device.connected:
        raise error(WATCH_GONE)


def _raise(number: int, why: str) -> Never:
    raise error(number, why)
