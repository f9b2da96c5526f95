"""The key ceremony: people bring components unseen, compare check values, and one alone can do nothing."""

from collections.abc import Callable

import typer

from tongka.cli.common import console
from tongka.crypto.pboc import KEY_LEN, Algorithm
from tongka.errors import Malformed, Refused
from tongka.keys.components import combine, parse_component
from tongka.keys.keyring import MasterKey

CHECK_DIGITS = 6
GROUP = 8


def show_component(algorithm: Algorithm, random: Callable[[int], bytes]) -> None:
    """A new component, for one person's eyes."""
    component = random(KEY_LEN)
    digits = component.hex().upper()
    typer.echo("component    " + " ".join(digits[at : at + GROUP] for at in range(0, len(digits), GROUP)))
    typer.echo(f"check value  {_check_value(algorithm, component)}")


def ask_key(algorithm: Algorithm, people: int, expected: str) -> MasterKey:
    """The key that the people's components make, when all of them confirmed it.

    `expected` is the check value of the whole key, if its owner gave it.

    Raises:
        Malformed: a component or check value of another form, or a weak key.
        Refused: a check value is not right, or somebody does not confirm.

    """
    if expected:
        parse_check_value(expected)
    components = [_ask_component(algorithm, person) for person in range(1, people + 1)]
    key = MasterKey(algorithm, combine(components))
    check = key.check_value.hex().upper()
    if expected and parse_check_value(expected) != check:
        raise Refused(f"the whole key has the check value {check}, not {expected}; nothing is kept")
    console.print(f"the check value of the whole key is [bold]{check}[/]", highlight=False)
    for person in range(1, people + 1):
        if not typer.confirm(f"Person {person}: is {check} right?"):
            raise Refused(f"person {person} does not confirm the check value; nothing is kept")
    return key


def parse_check_value(text: str) -> str:
    """6 hex digits in upper case.

    Raises:
        Malformed: something else.

    """
    digits = text.replace(" ", "").upper()
    if len(digits) != CHECK_DIGITS or not set(digits) <= set("0123456789ABCDEF"):
        raise Malformed("check value", f"has {CHECK_DIGITS} hex digits")
    return digits


def _ask_component(algorithm: Algorithm, person: int) -> bytes:
    component = parse_component(typer.prompt(f"Person {person}: component, 32 hex digits", hide_input=True))
    told = parse_check_value(typer.prompt(f"Person {person}: its check value"))
    if told != (right := _check_value(algorithm, component)):
        raise Refused(f"person {person}'s component has the check value {right}, not {told}; nothing is kept")
    return component


def _check_value(algorithm: Algorithm, component: bytes) -> str:
    return MasterKey(algorithm, component).check_value.hex().upper()
