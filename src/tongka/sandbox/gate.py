"""A gate, simulated: it verifies codes with the very checks of the SDK, keeps a journal, and uploads it."""

import json
from collections.abc import Callable, MutableSet
from dataclasses import dataclass, field

import httpx

from tongka.code.gate import Passage, let_through
from tongka.code.keys import MasterKeys
from tongka.code.verify import Terms
from tongka.errors import Failed, Refused

UPLOAD_AT_ONCE = 1_000


@dataclass
class SimulatedGate:
    """One gate with its own clock, memory and journal.

    Attributes:
        fare_fen: compared with a code's limit; 0 where it is known at the exit only.
        journal: records in the order in which they were written.
        first: the serial of the first of them.
        uploaded: how many of them the merchant has said that he has.

    """

    gate_id: str
    token: str
    subject: str
    keys: MasterKeys
    clock: Callable[[], int]
    card_types: frozenset[str] | None = None
    fare_fen: int = 0
    seen: MutableSet[bytes] = field(default_factory=set)
    journal: list[str] = field(default_factory=list)
    first: int = 1
    uploaded: int = 0

    async def join(self, http: httpx.AsyncClient, url: str) -> None:
        """Go on where the journal that the merchant has ends; for a gate that has written nothing yet."""
        self.first = (await self._ask(http, "GET", url))["next"]

    def show(self, code: bytes) -> Passage:
        """A phone shows a code.

        Raises:
            CodeRefused: the gate stays shut.

        """
        at = self.clock()
        record_id = f"{at}{len(self.journal) + 1:06d}"
        says = {"pos_id": self.gate_id, "type": "SINGLE", "subject": self.subject, "record_id": record_id}
        pos_param = json.dumps(says, ensure_ascii=False).encode()
        terms = Terms(keys=self.keys, at=at, card_types=self.card_types, amount_fen=self.fare_fen)
        passage = let_through(code, pos_param, terms, self.seen)
        self.journal.append(passage.record)
        return passage

    async def upload(self, http: httpx.AsyncClient, url: str) -> int:
        """Upload what the merchant has not got, and say that there is nothing older; how many records were new.

        Raises:
            Failed: the merchant does not answer; call again.
            Refused: he says no.

        """
        new = 0
        while True:
            part = self.journal[self.uploaded : self.uploaded + UPLOAD_AT_ONCE]
            rest = self.uploaded + len(part) < len(self.journal)
            body = {"first": self.first + self.uploaded, "records": part}
            answer = await self._ask(http, "POST", url, body if rest else body | {"complete_to": self.clock() - 1})
            new += answer["stored"]
            self.uploaded = answer["next"] - self.first
            if not rest:
                return new

    async def _ask(
        self, http: httpx.AsyncClient, method: str, url: str, body: dict[str, object] | None = None
    ) -> dict[str, int]:
        try:
            answer = await http.request(method, url, json=body, headers={"authorization": f"Bearer {self.token}"})
        except httpx.TransportError as error:
            raise Failed(f"{url}: the merchant does not answer ({error})") from error
        if answer.is_server_error:
            raise Failed(f"{url}: HTTP {answer.status_code}")
        if answer.is_error:
            raise Refused(f"{url}: {answer.text}")
        found: dict[str, int] = answer.json()
        return found
