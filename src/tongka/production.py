"""What production mode refuses: a table of checks, all run, so that one start names every fault.

Settings are checked by themselves; durability on the live database, for a server can be configured anywhere; and keys
by the key store, which knows whether they were made for the sandbox.
"""

import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tongka.errors import Misconfigured
from tongka.keys.uri import SOFTWARE
from tongka.settings import Check, Settings

LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}
SAFE_SSL_MODES = {"require", "verify-ca", "verify-full"}


def _tls_to_database(settings: Settings) -> bool:
    parts = urlsplit(settings.database.url)
    query = parse_qs(parts.query)
    hosts = [host for text in query.get("host", []) for host in text.split(",")] or [parts.hostname or ""]
    here = all(host in LOCAL_HOSTS or host.startswith("/") for host in hosts)
    return here or query.get("sslmode", [""])[0] in SAFE_SSL_MODES


def _owner_only(file: str) -> bool:
    try:
        return not Path(file).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    except OSError:
        return False


def _key_files(settings: Settings) -> list[str]:
    """Those of the key store that are there; a start finds out by itself that one is not."""
    named = (settings.keys.uri.removeprefix("software:"), settings.keys.companion_file)
    return [file for file in named if file and Path(file).is_file()]


def _absolute(file: str) -> bool:
    return not file or Path(file).is_absolute()


PLACES = (
    Check(
        lambda s: bool(s.database.url) or _absolute(s.database.data_dir),
        "database.url: is empty, which means a server in database.data_dir, and that is relative to where the command"
        " is typed; name the database, or an absolute database.data_dir",
    ),
    Check(
        lambda s: not s.keys.uri.startswith(SOFTWARE) or _absolute(s.keys.uri.removeprefix(SOFTWARE)),
        "keys.uri: the key file's path is relative to where the command is typed; make it absolute",
    ),
    Check(
        lambda s: _absolute(s.keys.passphrase_file),
        "keys.passphrase_file: the path is relative to where the command is typed; make it absolute",
    ),
    Check(
        lambda s: _absolute(s.keys.companion_file),
        "keys.companion_file: the path is relative to where the command is typed; make it absolute",
    ),
)
"""Where data and keys are may not depend on the folder that a command is typed in: that would be an empty city."""

PRODUCTION = (
    *PLACES,
    Check(
        lambda s: s.web.behind_tls or bool(s.web.tls_certificate),
        "web.behind_tls: nothing terminates TLS; put a proxy in front and set it, or set web.tls_certificate",
    ),
    Check(
        lambda s: not s.web.behind_tls or (bool(s.web.trusted_proxies) and "*" not in s.web.trusted_proxies),
        "web.trusted_proxies: name the proxy's addresses, never *; otherwise anybody may claim to be anybody",
    ),
    Check(
        lambda s: bool(s.keys.passphrase_file),
        "keys.passphrase_file: key files and modules in production are opened with a passphrase or PIN; name its file",
    ),
    Check(
        lambda s: (
            not s.keys.passphrase_file or not _absolute(s.keys.passphrase_file) or _owner_only(s.keys.passphrase_file)
        ),
        "keys.passphrase_file: the file must exist and be readable by its owner only; chmod 600",
    ),
    Check(
        lambda s: all(map(_owner_only, _key_files(s))),
        "keys.uri, keys.companion_file: a key file must be readable by its owner only; chmod 600",
    ),
    Check(
        _tls_to_database,
        "database.url: the connection crosses a network in the clear; add ?sslmode=verify-full",
    ),
    Check(
        lambda s: not s.pages.ticket_key_file or bool(s.pages.redirects),
        "pages.redirects: the agreement page would lead anywhere; name the origins that it may go back to",
    ),
    Check(
        lambda s: s.payments.institution != "simulator",
        "payments.institution: the simulator pays nobody; name the real institution, or none",
    ),
    Check(
        lambda s: not s.alipay.app_id or s.alipay.gateway.startswith("https://"),
        "alipay.gateway: payments would cross the network in the clear; it begins with https://",
    ),
    Check(
        lambda s: not s.wechat.merchant_id or s.wechat.gateway.startswith("https://"),
        "wechat.gateway: payments would cross the network in the clear; it begins with https://",
    ),
    Check(
        lambda s: not (s.alipay.app_id or s.wechat.merchant_id) or s.payments.notify_url.startswith("https://"),
        "payments.notify_url: institutions send notices over https:// only; name the address as they reach it",
    ),
    Check(
        lambda s: s.log.level != "debug",
        "log.level: debug writes card data into the log; choose info",
    ),
)
"""Of settings alone."""

DURABLE: Mapping[str, frozenset[str]] = {
    "fsync": frozenset({"on"}),
    "full_page_writes": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "remote_write", "remote_apply", "local"}),
}
"""What the live database must say, or an acknowledged top-up is lost in a power cut."""


def refuse_astray(settings: Settings) -> None:
    """Called before anything is opened, for an embedded server is made where there is none.

    Raises:
        Misconfigured: production mode with data or keys in a place that depends on where the command is typed.

    """
    found = [check.complaint for check in PLACES if settings.mode == "production" and not check.holds(settings)]
    if found:
        raise Misconfigured("\n".join(found))


def complaints(settings: Settings) -> list[str]:
    """What makes these settings unfit for production; nothing in sandbox mode."""
    if settings.mode != "production":
        return []
    return [check.complaint for check in PRODUCTION if not check.holds(settings)]


def live_complaints(settings: Settings, durability: Mapping[str, str]) -> list[str]:
    """The same of the live database; `durability` as `tongka.store.db.durability` reads it."""
    if settings.mode != "production":
        return []
    return [
        f"the database runs with {name}={durability.get(name, 'unknown')}; set it to on in postgresql.conf"
        for name, allowed in DURABLE.items()
        if durability.get(name) not in allowed
    ]


def key_complaints(settings: Settings, *, sandbox_keys: bool) -> list[str]:
    """Whether the keys are of the mode's worth, as the key store says."""
    if settings.mode == "production" and sandbox_keys:
        return ["keys.uri: these are sandbox keys, which everybody knows; make new ones with `tongka key`"]
    if settings.mode == "sandbox" and not sandbox_keys:
        return ["mode: is sandbox, and the keys are not; set it to production, or `tongka key generate --sandbox`"]
    return []


def refuse_unsafe(settings: Settings, durability: Mapping[str, str], *, sandbox_keys: bool) -> None:
    """Called once at start, when the database and the key store are open.

    Raises:
        Misconfigured: production mode with anything that is not fit for it, one line for each; or sandbox mode with
            keys that are worth something, as when the mode was forgotten.

    """
    found = complaints(settings) + live_complaints(settings, durability)
    found += key_complaints(settings, sandbox_keys=sandbox_keys)
    if found:
        raise Misconfigured("\n".join(found))
