"""A card master key in components, so that no one person ever holds it: XOR of what each of them brings."""

from collections.abc import Sequence
from functools import reduce

from tongka.crypto.pboc import KEY_LEN
from tongka.errors import Malformed
from tongka.keys.keyring import require_strong

FEWEST = 2


def parse_component(text: str) -> bytes:
    """Read what a person types: 32 hex digits, spaces allowed.

    Raises:
        Malformed: something else, or zeros, with which the others would hold the whole key.

    """
    try:
        component = bytes.fromhex(text)
    except ValueError as error:
        raise Malformed("component", "has digits other than 0-9 and A-F, or an odd number of them") from error
    if len(component) != KEY_LEN:
        raise Malformed("component", f"has {2 * KEY_LEN} hex digits, not {2 * len(component)}")
    if not any(component):
        raise Malformed("component", "must not be zeros: the others would hold the whole key")
    return component


def combine(components: Sequence[bytes]) -> bytes:
    """The whole key of the components of at least two people.

    Raises:
        Malformed: too few, the same one twice, or a whole that is a weak key.

    """
    if len(components) < FEWEST:
        raise Malformed("components", f"come from at least {FEWEST} people")
    if len(set(components)) < len(components):
        raise Malformed("components", "two of them are the same, and cancel each other")
    return require_strong(reduce(_xor, components))


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
