"""Personalisation: data groupings become a purse.

0015, 0016, 0017 are the files; 8201 to 8204 the load, purchase, TAC and maintenance key, each as version 1‖algorithm 1‖
key 16, encrypted under the channel's DEK‖key check value 3. A new purse has nothing on it.
"""

from collections.abc import Mapping

from tongka.card.files import File15, File16, File17
from tongka.card.global_platform import Answer, Grouping
from tongka.card.keyset import KeySet
from tongka.card.profiles import find_profile
from tongka.crypto.pboc import KEY_LEN, Algorithm, check_value
from tongka.errors import Malformed, Unsupported
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.state import Refusal
from tongka.sandbox.element.channel import CardSide

FILES: dict[int, type[File15 | File16 | File17]] = {0x0015: File15, 0x0016: File16, 0x0017: File17}
KEYS = {0x8201: "load", 0x8202: "purchase", 0x8203: "tac", 0x8204: "maintain"}
KEY_GROUPING_LEN = 2 + KEY_LEN + 3


def accepted(channel: CardSide, grouping: Grouping) -> bytes:
    """What is kept of one grouping: a file's bytes, or version 1‖algorithm 1‖key 16.

    Raises:
        Refusal: 6A88 another grouping, 6A80 another length, algorithm, or a key that its check value contradicts.

    """
    layout = FILES.get(grouping.dgi)
    if layout is not None:
        if len(grouping.value) != layout.LENGTH:
            raise Refusal(Answer.INCORRECT_DATA)
        return grouping.value
    if grouping.dgi not in KEYS:
        raise Refusal(Answer.REFERENCE_NOT_FOUND)
    return _key(channel, grouping.value)


def _key(channel: CardSide, value: bytes) -> bytes:
    algorithm = Algorithm.of_byte(value[1]) if len(value) == KEY_GROUPING_LEN else None
    if algorithm is None:
        raise Refusal(Answer.INCORRECT_DATA)
    key = channel.protocol.decrypt_key(channel.keys.dek, value[2:-3])
    if check_value(algorithm, key) != value[-3:]:
        raise Refusal(Answer.INCORRECT_DATA)
    return value[:2] + key


def purse_of(stored: Mapping[int, bytes]) -> CardImage:
    """The purse that a whole personalisation makes.

    Raises:
        Refusal: 6985 something is missing; 6A80 the parts do not belong together.

    """
    if not stored.keys() >= FILES.keys() | KEYS.keys():
        raise Refusal(Answer.CONDITIONS)
    heads = {stored[dgi][:2] for dgi in KEYS}
    if len(heads) != 1:
        raise Refusal(Answer.INCORRECT_DATA)
    version, algorithm = heads.pop()
    try:
        profile = find_profile(File15.parse(stored[0x0015]), algorithm)
    except (Malformed, Unsupported):
        raise Refusal(Answer.INCORRECT_DATA) from None
    return CardImage(
        profile=profile.name,
        balance_fen=0,
        online_atc=0,
        offline_atc=0,
        algorithm=profile.algorithm,
        key_version=version,
        files={f"{dgi:04X}": stored[dgi] for dgi in FILES},
        keys=KeySet(**{name: stored[dgi][2:] for dgi, name in KEYS.items()}),
    )
