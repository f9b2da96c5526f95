"""A phone's side of IF4 and IF5, written from the documents only: raw HTTP, SERAM messages, APDUs to an element."""

import json
from dataclasses import dataclass, field

import httpx

from tongka.crypto import sm2
from tongka.errors import CardGone


class Cut(Exception):  # noqa: N818 - an order of the test, no error
    """The phone died, by order of the test."""


@dataclass
class Agent:
    """A local agent with one element.

    Attributes:
        element: `transmit(apdu) -> Response`; raises CardGone where the power went.
        cut: called before each step with its name; raises `Cut` where the phone is to die.
        stops: at the first error status word of a list it runs no more of it.
        wait: called with the milliseconds that an order wants the next report to be delayed by.
        orders: every order that came, as bytes.

    """

    http: httpx.AsyncClient
    institution: str
    key: sm2.PrivateKey
    element: object
    se_id: str
    device_id: str
    issuer_id: str
    cut: object = lambda _: None
    use_round: bool = True
    wait: object = lambda _: None
    stops: bool = False
    orders: list = field(default_factory=list)
    apdus: list = field(default_factory=list)

    # --- IF4 ---

    async def post(self, path: str, body: bytes) -> httpx.Response:
        headers = {"X-Institution": self.institution, "X-Signature": sm2.sign(self.key, body).hex().upper()}
        return await self.http.post(path, content=body, headers=headers)

    async def order(self, business: str, number: str, **more: object) -> httpx.Response:
        body = {"businessType": business, "serverOrderId": number, "issuerId": self.issuer_id}
        body |= {"deviceId": self.device_id} | more
        return await self.post("/wallet/order", json.dumps(body).encode())

    async def state(self, number: str) -> dict:
        headers = {"X-Institution": self.institution, "X-Signature": sm2.sign(self.key, b"").hex()}
        return (await self.http.get(f"/wallet/order/{number}", headers=headers)).json()

    async def withdraw(self, number: str) -> httpx.Response:
        return await self.post(f"/wallet/order/{number}/withdraw", b"")

    # --- IF5 ---

    async def handshake(self, session: str) -> httpx.Response:
        offer = {"secureElements": [{"seType": "eSE", "seId": self.se_id}], "supportedVersion": ["2.0.0"]}
        return await self.http.post(f"/gp/seram/handshake?sessionId={session}", json=offer)

    async def report(self, session: str, status: str, answers: list | None = None, number: int | None = None):
        body: dict = {"localAgentStatus": {"localAgentStatusEnum": status, "executedSeRamCommands": int(bool(answers))}}
        if answers is not None:
            body["ramResponses"] = [{"ramResponseType": "seRamResponse", "listOfRAPDU": answers}]
        if number is not None and self.use_round:
            body["round"] = number
        answered = await self.http.post(f"/gp/seram/remoteManagement?sessionId={session}", json=body)
        assert answered.status_code == 200, answered.text
        self.orders.append(answered.content)
        return answered.json()

    async def run(self, session: str, rounds: int = 80, *, last: bool = False) -> str:
        """Handshake and go on until told to stop; the last notification."""
        assert (await self.handshake(session)).status_code == 200
        order = await self.report(session, "POLLING")
        notice = ""
        for _ in range(rounds):
            answers: list | None = None
            for command in order.get("ramCommands", []):
                kind = command["ramCommandType"]
                if kind == "seRamCommand":
                    answers = self.transmit_all(command["listOfCAPDU"])
                elif kind == "notificationCommand":
                    notice = command["deviceAppNotification"]
                elif kind == "ramStopCommand":
                    return "stop" if last else notice
            self.wait(order.get("delay", 0))
            self.cut("report")
            order = await self.report(session, "POLLING" if answers is None else "PROCESSED", answers, order["round"])
            self.cut("order")
        raise AssertionError("the session does not end")

    def transmit_all(self, apdus: list) -> list:
        answers: list = []
        for apdu in apdus:
            refused = self.stops and any(not one.endswith("9000") and one[:2] != "61" for one in answers)
            answers.append("" if refused else self.transmit(apdu))
        return answers

    def transmit(self, apdu: str) -> str:
        self.cut("before")
        self.apdus.append(apdu)
        try:
            answer = self.element.transmit(bytes.fromhex(apdu)).raw.hex().upper()
        except CardGone:
            answer = ""
        self.cut("after")
        return answer

    async def do(self, business: str, number: str, **more: object) -> str:
        answered = await self.order(business, number, **more)
        assert answered.status_code == 201, answered.text
        return await self.run(answered.json()["sessionId"])
