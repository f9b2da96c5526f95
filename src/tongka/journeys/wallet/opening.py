"""Opening a card in a phone: install the instance, personalise its files and keys, read it back, take it into use.

Nothing of value is on the element before the last step. The card proves that it holds its keys by the MAC1 of an INIT
FOR LOAD over our challenge; only then the sale is confirmed, and the first top-up is an ordinary load.
"""

from collections.abc import Mapping

from tongka.card import commands
from tongka.card import global_platform as gp
from tongka.card.apdu import Command, StatusWord
from tongka.card.files import File15, File16, File17
from tongka.card.purse import TERMINAL_LEN
from tongka.card.reading import CardReading
from tongka.errors import CardAnswersMissing
from tongka.journeys import looks, topup
from tongka.journeys.looks import KnownCard
from tongka.journeys.wallet import channel, load, personal
from tongka.journeys.wallet.channel import Presence
from tongka.journeys.wallet.program import ElementRefuses, Heard, LookAgain, Phase, Run, Said
from tongka.ledger import Account
from tongka.orders import CHARGEABLE, DONE, RELEASED, WITHDRAWN, Event, Leg, State
from tongka.store import cards, wallet
from tongka.store.orders import Order
from tongka.store.wallet import Standing

CHIP_FULL, CARD_EXISTS = "chip_full", "card_exists"
PACKAGE, MODULE = bytes.fromhex("A0000006320101"), bytes.fromhex("A000000632010105")
"""The load file and its class; the instance has the card type's AID."""
SFI = {File15: 0x15, File16: 0x16, File17: 0x17}


async def start(run: Run, standing: Mapping[str, Order]) -> Said:
    """Look at what stands in the element under the instance's name."""
    sale = standing[run.order.sale_no]
    if sale.state in DONE:
        return await _opened(run, standing)
    if sale.state in WITHDRAWN:
        return run.end(Standing.CANCELLED)
    return run.send("open.look", commands.select_purse(run.card.profile.aid), _read(File15), *channel.who(run))


def _read(layout: type[File15 | File16 | File17]) -> Command:
    return commands.read_binary(SFI[layout], length=layout.LENGTH)


async def look(run: Run, heard: Heard) -> Said:
    """Our card: it only remains to prove. Another live card: the element holds one. Else: install."""
    heard = channel.meet(run, heard)
    card = run.card
    told = heard[1]
    run.program.seen = heard.status(0) == StatusWord.OK and told is not None
    if told and told.ok and len(told.data) == File15.LENGTH:
        found = File15.parse(told.data)
        if found.asn == card.row.asn and not run.program.anew:
            return _prove(run, card)
        if found.asn != card.row.asn and await _is_live(run, card, found):
            return run.end(Standing.FAILED, CARD_EXISTS)
    return await channel.begin(run, "open.install")


async def _is_live(run: Run, card: KnownCard, found: File15) -> bool:
    """Whether a card that stands there is one of ours that is in use; its remains are removed."""
    other = await cards.find(run.system.database, card.profile.card_no(found))
    return other is not None and other.enabled and other.status != "02"


async def install(run: Run, heard: Heard) -> Said:
    """Remove what a broken-off opening left, then install; a card that is in use is not removed unseen."""
    aid = run.card.profile.aid
    steps = [gp.Install(PACKAGE, MODULE, aid).command, gp.install_for_personalization(aid)]
    if channel.presence(run, heard) is not Presence.ABSENT or run.program.anew:
        if not run.program.seen and await run.displaced():
            return run.end(Standing.FAILED, CARD_EXISTS)
        steps.insert(0, gp.delete(aid))
    return channel.send(run, "open.installed", *steps)


async def installed(run: Run, heard: Heard) -> Said:
    """Personalise; a chip that has no room says so before anything is written."""
    *_, install_sw, personalise_sw = (heard.status(n) for n in range(len(heard.answers)))
    if install_sw == gp.Answer.NO_MEMORY:
        return run.end(Standing.FAILED, CHIP_FULL)
    if (install_sw, personalise_sw) != (StatusWord.OK, StatusWord.OK):
        run.program.anew = True
        raise _no("install", heard.refused_from(len(heard.answers) - 2))
    run.program.anew = False
    card = run.card
    stores = await personal.store_data(run, card)
    await _release(run, (await run.orders())[run.order.sale_no])
    return channel.send(run, "open.personalised", *stores)


async def _release(run: Run, sale: Order) -> Order:
    """1 → 6 → 2, committed before the keys leave; begun again, the order stays in 2."""
    if sale.state in CHARGEABLE:
        sale = await run.call.move_on(sale, Event.AUTHORISE, changes={"attempt": sale.attempt + 1})
    event = Event.KEYS_ANSWERED if sale.state is State.AUTHORISING else Event.REWRITE
    moved = await run.call.move_on(sale, event, changes={"attempt": sale.attempt + 1})
    return (await run.orders())[moved.order_no] if sale.amount_fen else moved


async def personalised(run: Run, heard: Heard) -> Said:
    if heard.refused == gp.Answer.NO_MEMORY:
        return await give_up(run, CHIP_FULL)
    if not heard.all_ok:
        raise _no("personalisation", heard.refused)
    return _prove(run, run.card)


def _prove(run: Run, card: KnownCard) -> Said:
    """Read everything back; INIT FOR LOAD of nothing shows that the keys are there."""
    run.program.challenge = run.system.random(TERMINAL_LEN)
    return run.send(
        "open.prove",
        commands.select_purse(card.profile.aid),
        *(_read(layout) for layout in SFI),
        commands.get_balance(),
        commands.init_for_load(0, run.program.challenge),
    )


async def prove(run: Run, heard: Heard) -> Said:
    """The card is in use from the sale's confirmation on. One that is not whole is made anew.

    Elements differ in what a card answers whose personalisation broke off: some show the files that have come already.
    """
    card = run.card
    standing = await run.orders()
    if heard.refused:
        run.program.anew = True
        raise _no("card", heard.refused)
    reading = looks.read_same_card(heard.script, card)
    if reading.init is None or reading.init.terminal != run.program.challenge:
        raise CardAnswersMissing("the answer to INIT FOR LOAD is missing")
    await topup.verify_mac1(run.call, card, reading.init)
    if (why := _not_as_made(card, reading)) is not None:
        run.program.anew = True
        raise ElementRefuses(why)
    await wallet.card_lives(run.system.database, card.card_no, run.element.se_id, run.at)
    await _confirm(run, card, standing[run.order.sale_no])
    return await _opened(run, standing)


def _not_as_made(card: KnownCard, reading: CardReading) -> str | None:
    """A new card has our files, and balance and counter zero: what it already held would be money out of nothing."""
    if reading.files != personal.files(card):
        return "new_card_differs"
    init = reading.init
    empty = init is not None and init.balance == init.online_atc == 0 and not reading.balance
    return None if empty else "new_card_not_empty"


async def _confirm(run: Run, card: KnownCard, sale: Order) -> None:
    """The deposit is held and the fee earned."""
    if sale.state in DONE:
        return
    if sale.state not in RELEASED:
        sale = await _release(run, sale)
    fee = run.order.fee_fen
    fee_leg = ((Leg("single", Account.DEPOSITS_HELD, Account.CARD_FEE_INCOME), fee),) if fee else ()
    row = {
        "enabled": True,
        "sold_on": run.call.day,
        "valid_to": card.file15.valid_to,
        "deposit_fen": sale.amount_fen - fee,
    }
    await run.call.move_on(sale, Event.CREDITED, changes={"closed_by": "mac1"}, extra_legs=fee_leg, card=row)


async def _opened(run: Run, standing: Mapping[str, Order]) -> Said:
    return await load.start(run, standing) if run.order.load_no else run.end(Standing.DONE)


def _no(step: str, sw: int) -> LookAgain:
    return ElementRefuses.by(step, sw) if sw else LookAgain()


# --- giving up --------------------------------------------------------------------------------------------------------


async def give_up(run: Run, reason: str) -> Said:
    """The element will not have the card. Nothing of value is in it: remove what there is, so that the rider is paid.

    Raises:
        LookAgain: the card is in use after all.

    """
    if (await run.orders())[run.order.sale_no].state in DONE:
        raise LookAgain
    tidied, run.program.reason = bool(run.program.reason), run.program.reason or reason
    if tidied or reason.startswith(channel.CHANNEL):
        return run.end(Standing.FAILED, run.program.reason)
    return await channel.begin(run, "open.rollback")


async def rollback(run: Run, heard: Heard) -> Said:
    """Remove the instance; one that is another card's stays."""
    if channel.presence(run, heard) is Presence.ABSENT or await run.displaced():
        return await rolled_back(run, heard)
    return channel.send(run, "open.rolled_back", gp.delete(run.card.profile.aid))


async def rolled_back(run: Run, heard: Heard) -> Said:
    if heard[0] is None:
        raise LookAgain
    return run.end(Standing.FAILED, run.program.reason)


PHASES: dict[str, Phase] = {
    "open.look": look,
    "open.install": install,
    "open.installed": installed,
    "open.personalised": personalised,
    "open.prove": prove,
    "open.rollback": rollback,
    "open.rolled_back": rolled_back,
}
