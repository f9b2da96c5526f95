"""What a new card in a phone is personalised with: its three files, and its four keys wrapped for the element."""

from tongka.card import global_platform as gp
from tongka.card.apdu import Command
from tongka.card.files import File15, File16, File17
from tongka.journeys.looks import KnownCard
from tongka.journeys.wallet import channel
from tongka.journeys.wallet.program import Run
from tongka.keys import Purpose

COUNTRY_CHINA = "00000156"
ZHEJIANG = "3300"
INTEROPERABLE = "0001"
NORMAL = 0x01
DGI_OF_KEY = {Purpose.LOAD: 0x8201, Purpose.PURCHASE: 0x8202, Purpose.TAC: 0x8203, Purpose.MAINTAIN: 0x8204}


def files(card: KnownCard) -> dict[str, bytes]:
    """By identifier, whole. File 15 is the one on our books."""
    file16 = File16(card_type=0, staff=0, name="", id_number="", id_type=0)
    file17 = File17(
        country=COUNTRY_CHINA,
        province=ZHEJIANG,
        city=card.file15.city,
        interoperability=INTEROPERABLE,
        card_type=NORMAL,
        reserved=bytes(49),
    )
    return {File15.NAME: card.row.file15, File16.NAME: file16.build(), File17.NAME: file17.build()}


async def store_data(run: Run, card: KnownCard) -> list[Command]:
    """STORE DATA, one DGI each: 0015, 0016, 0017, then the keys 8201 to 8204."""
    program = run.program
    wrapped = await run.system.hsm.wrap_card_keys(
        channel.element_keys(run), program.host_challenge, program.greeting, card.keys()
    )
    groupings = [gp.Grouping(int(name, 16), content) for name, content in files(card).items()]
    groupings += [gp.Grouping(DGI_OF_KEY[purpose], block) for purpose, block in wrapped.items()]
    return gp.store_data(groupings)
