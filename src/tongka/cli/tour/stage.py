"""What every chapter of the tour plays on: the city's sandbox.json, the spectators' terminal, cards at hand."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx
from rich.console import Console

from tongka.card import global_platform as gp
from tongka.card.apdu import Command, Response, describe
from tongka.card.commands import CommandKind, classify
from tongka.errors import Failed
from tongka.money import format_yuan
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import furnish

WIDEST = 1_000
"""Characters of a message that are shown."""


class Show(StrEnum):
    """What is shown besides the story."""

    STORY = "story"
    APDUS = "apdus"
    MESSAGES = "messages"
    ALL = "all"

    @property
    def apdus(self) -> bool:
        return self in {Show.APDUS, Show.ALL}

    @property
    def messages(self) -> bool:
        return self in {Show.MESSAGES, Show.ALL}


class TourFailed(Failed):
    """The city did something else than the tour expects."""

    code = "tour_failed"


@dataclass(slots=True)
class Stage:
    """One performance.

    Attributes:
        document: sandbox.json.
        taken: numbers of cards that are in somebody's pocket already, also of recharge cards.

    """

    document: dict[str, Any]
    console: Console
    show: Show = Show.STORY
    taken: set[str] = field(default_factory=set)

    def chapter(self, title: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left")

    def say(self, text: str) -> None:
        self.console.print(f"  {text}", highlight=False)

    def expect(self, right: bool, what: str) -> None:
        """What the spectators are told must be so."""
        if not right:
            raise TourFailed(what)
        self.say(f"[green]✓[/] {what}")

    def card(self, *, enabled: bool, least_fen: int = 0, most_fen: int = 50_000) -> "ShownCard":
        """A card out of the box that nobody has taken yet."""
        for entry in self.document["cards"]:
            fits = entry["enabled"] is enabled and least_fen <= entry["balance_fen"] <= most_fen
            if fits and entry["card_no"] not in self.taken:
                self.taken.add(entry["card_no"])
                return ShownCard(SoftwareCard(furnish(CardImage.from_json(entry)), secrets.token_bytes), self)
        raise TourFailed("the city has no card left for this; make a new city")

    def scratch_card(self) -> dict[str, Any]:
        """A recharge card that nobody has scratched yet."""
        for entry in self.document["linkage"]["recharge_cards"]:
            if entry["Tac"] not in self.taken:
                self.taken.add(entry["Tac"])
                return dict(entry)
        raise TourFailed("the city has no recharge card left; make a new city")

    def http(self) -> httpx.AsyncClient:
        """A client whose messages are shown on demand."""
        return httpx.AsyncClient(event_hooks={"request": [self._sent], "response": [self._came]}, timeout=30)

    async def _sent(self, request: httpx.Request) -> None:
        if self.show.messages:
            self._message("→", f"{request.method} {request.url.path}", request.content)

    async def _came(self, response: httpx.Response) -> None:
        if self.show.messages:
            self._message("←", str(response.status_code), await response.aread())

    def _message(self, arrow: str, head: str, body: bytes) -> None:
        text = body.decode("utf-8", "replace")
        shown = text if len(text) <= WIDEST else f"{text[:WIDEST]}…"
        self.console.print(f"    {arrow} {head} {shown}", style="dim", markup=False, highlight=False, soft_wrap=True)

    def apdu(self, sent: bytes, answer: Response) -> None:
        """One command and its answer, if they are wanted."""
        if self.show.apdus:
            line = f"    ⇄ {_name(sent):<22} {sent.hex().upper()} → {answer.hex}"
            self.console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _name(apdu: bytes) -> str:
    """What a command is called: a purse's, a security domain's."""
    kind = classify(apdu)
    return kind.name if kind is not CommandKind.UNKNOWN else gp.name_of(Command.parse(apdu)) or kind.name


@dataclass(slots=True)
class ShownCard:
    """A software card in the hand; a `CardChannel` that shows what passes."""

    card: SoftwareCard
    stage: Stage

    def transmit(self, apdu: bytes) -> Response:
        answer = self.card.transmit(apdu)
        self.stage.apdu(apdu, answer)
        if not answer.ok and self.stage.show.apdus:
            self.stage.say(f"[dim]  {describe(answer.sw)}[/]")
        return answer

    @property
    def number(self) -> str:
        return self.card.image.card_no

    @property
    def balance_fen(self) -> int:
        """What the plastic really holds, whatever anybody says."""
        return self.card.image.balance_fen

    @property
    def yuan(self) -> str:
        return f"[bold]¥{format_yuan(self.balance_fen)}[/]"


@contextmanager
def telling(stage: Stage, doing: str) -> Iterator[None]:
    """Whatever goes wrong inside is told together with what was being done."""
    try:
        yield
    except (KeyError, httpx.HTTPError, json.JSONDecodeError) as wrong:
        raise TourFailed(f"{doing}: {wrong!r}") from wrong
    finally:
        stage.console.file.flush()
