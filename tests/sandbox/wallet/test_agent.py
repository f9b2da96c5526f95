"""The Local Agent before a server that says what the test wants; SERAM's own examples."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from element_host import SEED
from tongka.card import global_platform as gp
from tongka.errors import Malformed, Refused
from tongka.sandbox.element.mint import elements
from tongka.sandbox.wallet import seram
from tongka.sandbox.wallet.agent import Ended, LocalAgent, NothingInCommon, SessionGone, Unreachable
from tongka.sandbox.wallet.faults import Faults
from tongka.sandbox.wallet.phone import Phone
from tongka.sandbox.wallet.seram import POLL, Report, Status

EXAMPLES = json.loads((Path(__file__).parents[2] / "vectors" / "seram_examples.json").read_bytes())["examples"]
IMAGE = elements(SEED)[0]
CPLC = gp.get_cplc().hex


@dataclass
class Scripted:
    """A Remote Agent that gives out the orders of a list; it keeps what it was told."""

    orders: list
    handshake_status: int = 200
    told: list[bytes] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    async def handshake(self, request: Request) -> Response:
        self.told.append(await request.body())
        return Response("{}", self.handshake_status)

    async def manage(self, request: Request) -> Response:
        self.told.append(await request.body())
        order = self.orders.pop(0)
        return Response(b"", order) if isinstance(order, int) else Response(json.dumps(order))

    async def run(self, faults: Faults | None = None, ended: Ended | None = None) -> Ended:
        app = Starlette(
            routes=[
                Route("/handshake", self.handshake, methods=["POST"]),
                Route("/remoteManagement", self.manage, methods=["POST"]),
            ]
        )
        phone = Phone.of([IMAGE.to_json()], secrets.token_bytes)
        phone.faults = faults or Faults()

        async def sleep(seconds: float) -> None:
            self.waited.append(seconds)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
            return await LocalAgent(http, "http://tsm", phone, sleep).run("s", ended)

    @property
    def reports(self) -> list[dict]:
        return [json.loads(body) for body in self.told[1:]]


def apdus(*commands: str, element: str = IMAGE.se_id, **more: object) -> dict:
    chosen = {"seType": "eSE", "seId": element}
    return {
        "chosenSecureElement": chosen,
        "ramCommands": [{"ramCommandType": "seRamCommand", "listOfCAPDU": commands}],
    } | more


def ending(kind: str = "ramStopCommand", notice: str = "done") -> dict:
    note = {"ramCommandType": "notificationCommand", "deviceAppNotification": notice}
    return {"delay": 0, "ramCommands": [note, {"ramCommandType": kind}]}


@pytest.mark.parametrize("stop", ["ramStopCommand", "stopCommand"])
@pytest.mark.parametrize("start", ["ramStartCommand", "startCommand"])
async def test_a_session_from_handshake_to_stop_in_either_spelling(start, stop):
    server = Scripted([{"ramCommands": [{"ramCommandType": start}]}, apdus(CPLC, "0000", round=2), ending(stop)])
    ended = await server.run()
    assert (ended.notice, ended.executed) == ("done", 2)
    assert json.loads(server.told[0])["secureElements"] == [{"seType": "eSE", "seId": IMAGE.se_id}]
    first, second, third = server.reports
    assert first == {"localAgentStatus": {"localAgentStatusEnum": "POLLING", "executedSeRamCommands": 0}}
    assert second["localAgentStatus"] == {"localAgentStatusEnum": "PROCESSED", "executedSeRamCommands": 0}
    assert third["localAgentStatus"] == {"localAgentStatusEnum": "PROCESSED", "executedSeRamCommands": 1}
    (answered,) = third["ramResponses"]
    assert answered["ramResponseType"] == "seRamResponse"
    assert gp.read_cplc(bytes.fromhex(answered["listOfRAPDU"][0])[:-2]) == IMAGE.cplc
    assert answered["listOfRAPDU"][1] == "6700"
    assert (third["round"], "round" in second) == (2, False)


async def test_a_void_order_is_waited_for_and_polled_again():
    server = Scripted([{"delay": 500}, {}, ending()])
    await server.run()
    assert server.waited == [0.5, 0.1, 0]
    assert [report["localAgentStatus"]["localAgentStatusEnum"] for report in server.reports] == ["POLLING"] * 3


async def test_nothing_is_reported_after_a_stop():
    server = Scripted([{"ramCommands": [{"ramCommandType": "ramStopCommand"}, *apdus(CPLC)["ramCommands"]]}])
    assert (await server.run()).executed == 0
    assert len(server.reports) == 1


async def test_an_element_that_is_not_there_is_unavailable():
    server = Scripted([apdus(CPLC, element="another", round=1), ending()])
    assert (await server.run()).executed == 0
    assert server.reports[1]["localAgentStatus"]["localAgentStatusEnum"] == "UNAVAILABLE_SE"
    assert server.reports[1]["localAgentStatus"]["errorMsg"]


async def test_the_agent_says_what_it_is_told_to():
    for status in (Status.UNAVAILABLE_SE, Status.UNKNOWN_FAILURE, Status.UNGRANTED_ACCESS):
        server = Scripted([apdus(CPLC), ending()])
        assert (await server.run(Faults(says=status))).executed == 0
        assert server.reports[1]["localAgentStatus"]["localAgentStatusEnum"] == status


async def test_a_message_without_an_answer_is_sent_again_the_very_same():
    server = Scripted([500, 503, apdus(CPLC, delay=0), 502, ending()])
    await server.run()
    assert server.told[1] == server.told[2] == server.told[3] == POLL.body
    assert server.told[4] == server.told[5]
    assert server.waited[:2] == [0.5, 1.0]


async def test_after_five_minutes_the_agent_gives_up():
    server = Scripted([500] * 100)
    with pytest.raises(Unreachable):
        await server.run()
    assert 300 <= sum(server.waited) < 340
    assert set(server.told[1:]) == {POLL.body}


async def test_reports_that_come_twice_have_to_be_answered_alike():
    order = apdus(CPLC, round=1)
    good = Scripted([order, order, order, ending(), ending(), ending()])
    await good.run(Faults(repeats=2))
    with pytest.raises(Malformed, match="repeated"):
        await Scripted([order, order, ending(), apdus(CPLC, round=3)]).run(Faults(repeats=1))


@pytest.mark.parametrize(("status", "error"), [(404, SessionGone), (406, NothingInCommon), (400, Refused)])
async def test_refusals_are_told_apart(status, error):
    with pytest.raises(error):
        await Scripted([], handshake_status=status).run()


async def test_what_was_executed_is_known_also_when_the_session_breaks_off():
    ended = Ended()
    with pytest.raises(SessionGone):
        await Scripted([apdus(CPLC, CPLC), 404]).run(ended=ended)
    assert ended.executed == 2


@pytest.mark.parametrize(
    "order",
    [
        {"ramCommands": [{"ramCommandType": "format"}]},
        {"ramCommands": [{"listOfCAPDU": []}]},
        {"ramCommands": [{"ramCommandType": "seRamCommand", "listOfCAPDU": [""] * 65}]},
        {"delay": -1},
        {"delay": "soon"},
        apdus("0G"),
    ],
    ids=str,
)
async def test_an_order_that_breaks_the_schema_is_refused(order):
    with pytest.raises(Malformed):
        await Scripted([order]).run()


async def test_a_session_without_an_end_is_given_up():
    with pytest.raises(Malformed, match="500"):
        await Scripted([{"delay": 0}] * 501).run()


# --- SERAM's own examples ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.endswith("Order")])
def test_every_example_of_an_order_is_read(name):
    printed = EXAMPLES[name]["value"]
    order = seram.read_order(json.dumps(printed).encode())
    assert order.delay_ms == printed.get("delay", seram.DEFAULT_DELAY_MS)
    assert [command.kind for command in order.commands] == [
        command["ramCommandType"] for command in printed.get("ramCommands", [])
    ]


def test_our_reports_are_the_examples():
    assert json.loads(POLL.body) == EXAMPLES["remoteManagementPolling"]["value"]
    ok = b"\x90\x00"
    report = Report(Status.PROCESSED, ((ok, ok), (ok,)), executed=2)
    assert json.loads(report.body) == EXAMPLES["apdusRemoteManagement"]["value"]


def test_our_handshake_is_the_example_in_the_schemas_spelling():
    printed = dict(EXAMPLES["handshakeRequest"]["value"])
    ours = json.loads(seram.handshake([printed["secureElements"][0]["seId"]]))
    printed["supportedVersions"] = printed.pop("supportedVersion")
    printed["secureElements"] = [{k: v for k, v in printed["secureElements"][0].items() if k != "seExtraInfo"}]
    assert ours == printed
