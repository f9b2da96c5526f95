"""Every setting of an installation: one TOML file, overridden by environment variables, checked at start.

`[database] pool_max` in the file is `TONGKA_DATABASE_POOL_MAX` in the environment; `DATABASE_URL` is also read, as
everybody expects. The classes below, in `settings_city` and in `settings_payments` are the whole list: types, limits,
defaults and the sentence for people. The page `docs/operating/settings.md` is generated from them.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from tongka.errors import Misconfigured
from tongka.settings_base import Seconds, Section
from tongka.settings_city import REPLIES_DAYS_MIN, City
from tongka.settings_monitoring import Log, Monitoring
from tongka.settings_payments import Alipay, Payments, Wechat

CONFIG_VARIABLE = "TONGKA_CONFIG"
PREFIX = "TONGKA_"
IGNORED_PREFIX = "TONGKA_TEST_"
ALIASES = {"DATABASE_URL": "database.url"}
PLACES = ("mode", "self_contained", "database.url", "database.data_dir", "keys.", "merchant.", "alipay.", "wechat.")
"""Settings, and sections, that say which installation it is: a self-contained file names them alone."""
SECRET = "***"  # noqa: S105 - what is shown instead of one

Mode = Literal["sandbox", "production"]
Port = Annotated[int, Meta(ge=0, le=65535)]


class Database(Section, frozen=True):
    """Where the data is."""

    url: Annotated[
        str,
        Meta(
            description="PostgreSQL 15+, as postgresql://user@host/name; empty: the embedded server of data_dir",
            pattern=r"^(|postgres(ql)?://\S+)$",
            extra={"secret": True},
        ),
    ] = ""
    data_dir: Annotated[str, Meta(description="folder of the embedded server, used if url is empty", min_length=1)] = (
        "var"
    )
    binaries: Annotated[
        str, Meta(description="folder with another PostgreSQL's postgres and initdb; empty: the wheel's")
    ] = ""
    pool_min: Annotated[int, Meta(description="connections kept open by each process", ge=0, le=1000)] = 2
    pool_max: Annotated[int, Meta(description="most connections of each process", ge=1, le=1000)] = 10
    acquire_timeout_s: Annotated[
        Seconds, Meta(description="how long a request waits for a free connection before it is answered busy")
    ] = 5
    statement_timeout_s: Annotated[
        Seconds, Meta(description="after which the server gives up one statement of a request")
    ] = 30


class Web(Section, frozen=True):
    """The HTTP server."""

    host: Annotated[str, Meta(description="address to listen on", min_length=1)] = "127.0.0.1"
    port: Annotated[Port, Meta(description="port to listen on; 0 picks a free one")] = 8080
    workers: Annotated[int, Meta(description="web processes", ge=1, le=256)] = 1
    behind_tls: Annotated[bool, Meta(description="a proxy in front terminates TLS and is named in trusted_proxies")] = (
        False
    )
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="addresses whose X-Forwarded-For and X-Forwarded-Proto are believed")
    ] = ()
    tls_certificate: Annotated[str, Meta(description="PEM chain, where this process terminates TLS itself")] = ""
    tls_key: Annotated[str, Meta(description="PEM private key that belongs to tls_certificate")] = ""
    max_body: Annotated[int, Meta(description="most bytes of a request's body", ge=1024, le=1 << 24)] = 64 << 10


class Keys(Section, frozen=True):
    """Where the card keys and the partner keys are."""

    uri: Annotated[
        str,
        Meta(
            description="software:FILE, an encrypted key file, or pkcs11:…, a token by RFC 7512 with its module-path",
            pattern=r"^(software|pkcs11):\S+$",
        ),
    ] = "software:keys.json"
    passphrase_file: Annotated[
        str,
        Meta(description="file with the passphrase of a key file, or the PIN of a module, readable by its owner only"),
    ] = ""
    companion_file: Annotated[
        str,
        Meta(
            description="key file beside a module for the keys that are not cards': endpoints, ride codes, personal"
            " data; only the module opens it"
        ),
    ] = ""


class Merchant(Section, frozen=True):
    """Us as a merchant with gates: where rides are settled, and how long gates are waited for."""

    gateway: Annotated[
        str, Meta(description="the open gateway that trades are sent to; empty: none are", pattern=r"^(|https?://\S+)$")
    ] = ""
    app_id: Annotated[str, Meta(description="our application at the gateway")] = ""
    app_key_file: Annotated[str, Meta(description="PEM private key of the application, RSA")] = ""
    alipay_key_file: Annotated[str, Meta(description="PEM public key that the gateway's answers are signed with")] = ""
    seller_login_name: Annotated[str, Meta(description="account that is paid; empty: the application's own")] = ""
    city_code: Annotated[str, Meta(description="goes along with each trade, e.g. 330500")] = ""
    city_name: Annotated[str, Meta(description="as riders are told it, e.g. 湖州")] = ""
    report_channel: Annotated[str, Meta(description="agreed channel of reports to riders; empty: there are none")] = ""
    partner_name: Annotated[str, Meta(description="our name, as riders are told it")] = ""
    partner_id: Annotated[str, Meta(description="our partner number; empty: the application's")] = ""
    patience_s: Annotated[
        Seconds, Meta(description="how long a silent gate is waited for before trips are made without it")
    ] = 4 * 3600
    timeout_s: Annotated[Seconds, Meta(description="how long an answer of the gateway is waited for")] = 15


class Rides(Section, frozen=True):
    """Riding with a code: what riders may owe, and how merchants settle."""

    debt_limit_fen: Annotated[
        int, Meta(description="what a new rider may owe for rides settled while the account was short", ge=0, le=10**7)
    ] = 2000
    settle_within_days: Annotated[int, Meta(description="days after a ride in which it is settled", ge=1, le=90)] = 7
    retry_after_s: Annotated[
        Seconds, Meta(description="after which a merchant is told to try again a trade that could not be charged")
    ] = 3600
    calls_per_s: Annotated[int, Meta(description="an application's calls a second, in each web process", ge=1)] = 1000
    certificate_file: Annotated[
        str,
        Meta(description="PEM chain of the gateway's key, its certificate first, then the root; empty: no such mode"),
    ] = ""
    timestamp_window_s: Annotated[
        int, Meta(description="how far the gateway's timestamp may be off; 0: it is not looked at", ge=0, le=86400)
    ] = 600


class Pages(Section, frozen=True):
    """The pages that riders see: agreement and code."""

    ticket_key_file: Annotated[
        str, Meta(description="32 bytes or more as hex, shared with the app that opens the pages; empty: no pages")
    ] = ""
    redirects: Annotated[
        tuple[str, ...],
        Meta(
            description="origins that the agreement page may go back to, as https://app.example; production needs them"
        ),
    ] = ()
    refresh_s: Annotated[int, Meta(description="after which the code page shows a fresh code", ge=1, le=300)] = 60


class Wallet(Section, frozen=True):
    """Cards in phones."""

    session_s: Annotated[
        Seconds, Meta(description="after which a session without contact is over; its order revives it")
    ] = 3600
    element_hold_s: Annotated[
        Seconds, Meta(description="how long a phone that fell silent keeps other sessions from its secure element")
    ] = 5
    undecided_days: Annotated[
        int,
        Meta(description="days beyond city.bad_card_wait_days until people decide a lost phone's top-up", ge=0, le=365),
    ] = 14


class Settings(Section, frozen=True):
    """An installation."""

    mode: Annotated[
        Mode, Meta(description="production refuses sandbox keys and settings that are fit for trials only")
    ] = "sandbox"
    self_contained: Annotated[
        bool,
        Meta(
            description="the file alone says which installation it is, as a sandbox city's does: variables for mode,"
            " data, keys, gateway and payment institutions are not read"
        ),
    ] = False
    database: Database = Database()
    web: Web = Web()
    keys: Keys = Keys()
    city: City = City()
    payments: Payments = Payments()
    merchant: Merchant = Merchant()
    pages: Pages = Pages()
    rides: Rides = Rides()
    alipay: Alipay = Alipay()
    wechat: Wechat = Wechat()
    wallet: Wallet = Wallet()
    log: Log = Log()
    monitoring: Monitoring = Monitoring()


@dataclass(frozen=True, slots=True)
class Key:
    """One setting as declared: `database.pool_max`."""

    name: str
    type: Any
    default: Any
    description: str
    secret: bool

    @property
    def variable(self) -> str:
        return PREFIX + self.name.replace(".", "_").upper()

    @property
    def is_list(self) -> bool:
        return isinstance(self.default, tuple)


def _keys(section: type[Section], prefix: str = "") -> Iterator[Key]:
    hints = get_type_hints(section, include_extras=True)
    for field in msgspec.structs.fields(section):
        name = prefix + field.name
        if isinstance(field.default, Section):
            yield from _keys(type(field.default), f"{name}.")
        else:
            meta = next(item for item in hints[field.name].__metadata__ if item.description)
            secret = bool((meta.extra or {}).get("secret"))
            yield Key(name, hints[field.name], field.default, meta.description, secret)


KEYS: Mapping[str, Key] = {key.name: key for key in _keys(Settings)}


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each key where it was read: `default`, the file's name, or an environment variable.

    Attributes:
        unread: variables that a self-contained file keeps out.

    """

    settings: Settings
    sources: Mapping[str, str]
    unread: tuple[str, ...] = ()

    def shown(self) -> Iterator[tuple[Key, str, str]]:
        """Each key with its value as text, secrets masked, and its source."""
        for key in KEYS.values():
            value = value_of(self.settings, key.name)
            yield key, SECRET if key.secret and value else _text(value), self.sources[key.name]


def table() -> str:
    """Every setting as a table in Markdown, for `docs/operating/settings.md`."""
    head = ["| Setting | Environment variable | Default | |", "| --- | --- | --- | --- |"]
    rows = (
        f"| `{key.name}` | `{key.variable}` | {f'`{_text(key.default)}`' if key.default not in {'', ()} else 'none'} |"
        f" {key.description} |"
        for key in KEYS.values()
    )
    return "\n".join([*head, *rows])


def load(file: Path | None, environment: Mapping[str, str]) -> Loaded:
    """Read the file (or the one `TONGKA_CONFIG` names, or none) and the environment.

    Raises:
        Misconfigured: every mistake found, one a line, each with its key, its source and the remedy.

    """
    file = file or (Path(environment[CONFIG_VARIABLE]) if environment.get(CONFIG_VARIABLE) else None)
    mistakes: list[str] = []
    found: dict[str, tuple[Any, str]] = {}
    of_file, of_environment = _from_file(file), _from_environment(environment)
    alone = ("self_contained", True, str(file)) in of_file
    unread = [entry for entry in of_environment if alone and entry[0].startswith(PLACES)]
    for name, value, source in (*of_file, *(entry for entry in of_environment if entry not in unread)):
        if name in KEYS:
            found[name] = value, source
        else:
            mistakes.append(f"{name} (from {source}): there is no such setting; see `tongka config show`")
    values = {name: _convert(KEYS[name], value, source, mistakes) for name, (value, source) in found.items()}
    settings = Settings() if mistakes else _build(values)
    mistakes.extend(check.complaint for check in CONSISTENT if not mistakes and not check.holds(settings))
    if mistakes:
        raise Misconfigured("\n".join(mistakes))
    sources = {name: found[name][1] if name in found else "default" for name in KEYS}
    return Loaded(settings, sources, tuple(source for _, _, source in unread))


def _from_file(file: Path | None) -> list[tuple[str, Any, str]]:
    if file is None:
        return []
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"the settings file {file} cannot be read: {error}") from error
    return [(name, value, str(file)) for name, value in _flat(document)]


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, Any, str]]:
    """Aliases first, so that TONGKA_… wins over them."""
    known = {variable: name for variable, name in ALIASES.items() if environment.get(variable)}
    for variable in environment:
        if variable.startswith(PREFIX) and variable != CONFIG_VARIABLE and not variable.startswith(IGNORED_PREFIX):
            known[variable] = _name_of(variable)
    return [(name, _as_written(name, environment[variable]), variable) for variable, name in known.items()]


def _name_of(variable: str) -> str:
    return next((key.name for key in KEYS.values() if key.variable == variable), variable)


def _as_written(name: str, text: str) -> str | list[str]:
    if name in KEYS and KEYS[name].is_list:
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


def _convert(key: Key, value: Any, source: str, mistakes: list[str]) -> Any:
    from_file = source != key.variable and source not in ALIASES
    try:
        return msgspec.convert(value, key.type, strict=from_file)
    except msgspec.ValidationError as error:
        mistakes.append(f"{key.name} (from {source}): {error}; it is: {key.description}")
        return key.default


def _build(values: Mapping[str, Any]) -> Settings:
    nested: dict[str, Any] = {}
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[key] = value
    return msgspec.convert(nested, Settings)


def value_of(settings: Settings, name: str) -> Any:
    """The value of `database.pool_max`."""
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True, slots=True)
class Check:
    """A rule of settings; `complaint` begins with the key and ends with the remedy."""

    holds: Callable[[Settings], bool]
    complaint: str


CONSISTENT = (
    Check(
        lambda s: s.database.pool_min <= s.database.pool_max,
        "database.pool_min is above database.pool_max; raise the one or lower the other",
    ),
    Check(
        lambda s: not s.city.keep_replies_days or s.city.keep_replies_days >= REPLIES_DAYS_MIN,
        f"city.keep_replies_days: partners repeat what broke off for weeks; {REPLIES_DAYS_MIN} or more, or 0",
    ),
    Check(
        lambda s: s.keys.uri.startswith("pkcs11:") == bool(s.keys.companion_file),
        "keys.companion_file belongs to a pkcs11: keys.uri; set both or none",
    ),
    Check(
        lambda s: bool(s.web.tls_certificate) == bool(s.web.tls_key),
        "web.tls_certificate and web.tls_key belong together; set both or none",
    ),
    Check(
        lambda s: (
            not s.merchant.gateway or all((s.merchant.app_id, s.merchant.app_key_file, s.merchant.alipay_key_file))
        ),
        "merchant.gateway needs merchant.app_id, merchant.app_key_file and merchant.alipay_key_file; set all or none",
    ),
    Check(
        lambda s: all(s.alipay.certificates) == s.alipay.by_certificate,
        "alipay.app_certificate_file, alipay.alipay_certificate_file and alipay.root_certificate_file belong together;"
        " set all or none",
    ),
    Check(
        lambda s: not s.alipay.app_id or s.alipay.by_certificate != bool(s.alipay.alipay_key_file),
        "alipay.app_id needs alipay.alipay_key_file, or alipay.app_certificate_file and the others; set one of the two",
    ),
    Check(
        lambda s: not (s.web.behind_tls and s.web.tls_certificate),
        "web.behind_tls and web.tls_certificate exclude each other; TLS ends at the proxy or here",
    ),
)
"""Hold in every mode."""
