"""Who may see what is inside: this machine under its own name, or whoever has the token."""

import pytest
from starlette.requests import Request

from tongka.errors import Misconfigured
from tongka.insiders import insiders

TOKEN = "0123456789abcdef" * 2


def asked(client="127.0.0.1", host="localhost:8080", **headers):
    told = {"host": host} | headers
    raw = [(name.encode(), value.encode()) for name, value in told.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http",
                    "server": ("x", 80), "client": (client, 1), "headers": raw})  # fmt: skip


@pytest.fixture
def may(tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    return insiders("monitoring.console_token_file", str(tmp_path / "token"))


@pytest.mark.parametrize(
    ("client", "host"), [("127.0.0.1", "localhost"), ("::1", "[::1]:8080"), ("127.9.9.9", "127.0.0.1")]
)
def test_this_machine_may(may, client, host):
    assert may(asked(client, host))
    assert insiders("x", "")(asked(client, host))


@pytest.mark.parametrize(
    ("client", "host"), [("10.0.0.1", "localhost"), ("127.0.0.1", "city.example"), ("", "localhost")]
)
@pytest.mark.parametrize(
    "header", ["", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer é"]
)
def test_nobody_else_may(may, client, host, header):
    request = asked(client, host, **({"authorization": header} if header.isascii() and header else {}))
    assert not may(request)
    assert not insiders("x", "")(request)


def test_whoever_has_the_token_may(may):
    assert may(asked("10.0.0.1", "city.example", authorization=f"Bearer {TOKEN}"))
    assert not insiders("x", "")(asked("10.0.0.1", "city.example", authorization="Bearer "))


@pytest.mark.parametrize("contents", [None, "", "short"])
def test_a_token_that_protects_nothing_is_refused_by_its_setting(tmp_path, contents):
    if contents is not None:
        (tmp_path / "token").write_text(contents)
    with pytest.raises(Misconfigured, match=r"^monitoring\.console_token_file: "):
        insiders("monitoring.console_token_file", str(tmp_path / "token"))
