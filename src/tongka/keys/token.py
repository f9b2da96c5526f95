"""A PKCS#11 token: found, opened, asked in a thread of its own, opened anew when it was lost.

A token's card master keys are found by label, ``tongka/PROFILE/PURPOSE/VERSION``; those of the sandbox begin with
``tongka-sandbox``. PyKCS11 holds the interpreter's lock during a call, so a second session would gain nothing: one
thread keeps the event loop free between calls, and more web processes give more throughput.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from tongka.crypto.pboc import KEY_LEN, Algorithm
from tongka.errors import HsmUnavailable, KeyNotFound, Misconfigured, Unsupported
from tongka.keys import Purpose
from tongka.keys.keyring import MasterName, MasterRow
from tongka.keys.uri import TokenUri

try:
    import PyKCS11
except ImportError as missing:
    raise Misconfigured("keys.uri: pkcs11 needs the extra of that name: pip install 'tongka[pkcs11]'") from missing

log = structlog.get_logger()

PAUSE_S = 1.0
"""Between two loadings of a module whose token is lost."""
MARKS = {False: "tongka", True: "tongka-sandbox"}
"""How labels begin; True: sandbox keys."""
COMPANION_LABEL = f"{MARKS[False]}/companion"
"""Of the key whose HMAC opens the companion."""
MASTER_PARTS = 4

PIN_REFUSED = {
    PyKCS11.CKR_PIN_INCORRECT,
    PyKCS11.CKR_PIN_LOCKED,
    PyKCS11.CKR_PIN_LEN_RANGE,
    PyKCS11.CKR_PIN_INVALID,
}

T = TypeVar("T")
Handle = Any
Session = Any


@dataclass(frozen=True, slots=True)
class Mechanisms:
    """The numbers by which a token does one algorithm."""

    key_type: int
    derive: int
    cbc: int
    length: int | None = None
    """Of a key, where PKCS#11 does not know it from the type."""


TDES = Mechanisms(PyKCS11.CKK_DES2, PyKCS11.CKM_DES3_ECB_ENCRYPT_DATA, PyKCS11.CKM_DES3_CBC)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A card master key in a token: its name and what the token says of it, never its value.

    Attributes:
        check_value: 3 bytes, or empty where the token does not tell.

    """

    name: MasterName
    algorithm: Algorithm
    sandbox: bool
    check_value: bytes
    handle: Handle = field(repr=False, compare=False)


def label_of(name: MasterName, *, sandbox: bool) -> str:
    profile, purpose, version = name
    return f"{MARKS[sandbox]}/{profile}/{purpose}/{version}"


def name_of(label: str) -> tuple[MasterName, bool] | None:
    """The key and whether it is the sandbox's; None where the label is not a card master key's."""
    parts = label.split("/")
    if len(parts) != MASTER_PARTS or parts[0] not in MARKS.values() or not parts[3].isdecimal():
        return None
    if parts[2] not in list(Purpose):
        return None
    return (parts[1], Purpose(parts[2]), int(parts[3])), parts[0] == MARKS[True]


class TokenMissing(Exception):  # noqa: N818 - like the errors of the tree: what happened
    """The module has no such token now."""


class Token:
    """An open token with one session, asked by one thread at a time.

    A module that lost its token may find it again only when it is loaded anew; so that is what a failed question leads
    to, at most every `PAUSE_S`.
    """

    def __init__(self, wanted: TokenUri, pin: bytes) -> None:
        """Find the token and log in.

        Raises:
            Misconfigured: no such module or token, or a wrong PIN.

        """
        self._wanted, self._pin = wanted, pin
        self._library: Any = _load(wanted.module)
        self._loaded_at = -PAUSE_S
        self._session: Session = None
        self._one_at_a_time = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pkcs11")
        self._keys: Mapping[MasterName, TokenKey] = {}
        self._pin_refused = False
        try:
            self.mechanisms = self._mechanisms()
            self._look(self._opened())
        except PyKCS11.PyKCS11Error as error:
            self.close()
            raise Misconfigured(f"keys.uri: the token {self.label} does not answer: {error}") from error
        except Misconfigured:
            self.close()
            raise

    @property
    def label(self) -> str:
        return self._wanted.token or f"of {self._wanted.module}"

    async def ask(self, question: Callable[[Session], T]) -> T:
        """The answer of the token; after a failure the question is asked once more, for it may be asked twice.

        Raises:
            HsmUnavailable: the token is gone, or fails.

        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.now, question)

    def now(self, question: Callable[[Session], T]) -> T:
        """`ask` in the calling thread."""
        with self._one_at_a_time:
            try:
                return question(self._opened())
            except (PyKCS11.PyKCS11Error, TokenMissing, Misconfigured) as error:
                self._lose(error)
            try:
                return question(self._opened())
            except (PyKCS11.PyKCS11Error, TokenMissing, Misconfigured) as error:
                raise self._unavailable(error) from error

    def close(self) -> None:
        """End the thread; the session closes with the module's last user."""
        self._thread.shutdown(wait=True)
        self._unload()

    # --- keys ---------------------------------------------------------------------------------------------------------

    @property
    def keys(self) -> Mapping[MasterName, TokenKey]:
        """The card master keys as they were when it was last looked."""
        return self._keys

    def rows(self) -> list[MasterRow]:
        """The same as they are shown, sorted."""
        return sorted(
            MasterRow(*key.name, algorithm=key.algorithm.label, check_value=key.check_value)
            for key in self._keys.values()
        )

    def look(self) -> None:
        """See the keys that were put in."""
        self.now(self._look)

    def master(self, session: Session, name: MasterName, algorithm: Algorithm) -> Handle:
        """The handle of a card master key; one that was put in since the last look is found too.

        Raises:
            Unsupported: the token does not do the algorithm.
            KeyNotFound: no such key.

        """
        self.require(name[0], algorithm)
        key = self._keys.get(name) or self._look(session).get(name)
        if key is None or key.algorithm is not algorithm:
            raise KeyNotFound(f"no {algorithm.label} {name[1]} key of {name[0]}, version {name[2]}, in {self.label}")
        return key.handle

    def require(self, profile: str, algorithm: Algorithm) -> Mechanisms:
        """The mechanisms of an algorithm.

        Raises:
            Unsupported: the token has none; names the card type.

        """
        found = self.mechanisms.get(algorithm)
        if found is None:
            why = "keys.uri names no sm4=… numbers" if algorithm is Algorithm.SM4 else "mechanisms are missing"
            raise Unsupported(f"{profile} needs {algorithm.label}, which the token {self.label} does not do: {why}")
        return found

    def _look(self, session: Session) -> Mapping[MasterName, TokenKey]:
        types = {one.key_type: algorithm for algorithm, one in self.mechanisms.items()}
        found: dict[MasterName, TokenKey] = {}
        for handle in session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_SECRET_KEY), (PyKCS11.CKA_TOKEN, True)]):
            key_type, label = session.getAttributeValue(handle, [PyKCS11.CKA_KEY_TYPE, PyKCS11.CKA_LABEL])
            named = name_of(label or "")
            if named and key_type in types:
                name, sandbox = named
                found[name] = TokenKey(name, types[key_type], sandbox, _check_value(session, handle), handle)
        self._keys = found
        return found

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _opened(self) -> Session:
        if self._library is None:
            self._library = _load(self._wanted.module)
        if self._session is None:
            self._session = self._open()
        return self._session

    def _unload(self) -> None:
        """A call of a module that is not loaded ends the process; so it is not kept."""
        library, self._library = self._library, None
        if library is not None:
            library.unload()

    def _lose(self, error: Exception) -> None:
        if time.monotonic() < self._loaded_at + PAUSE_S:
            raise self._unavailable(error) from error
        log.warning("token lost; its module is loaded anew", token=self.label, error=str(error))
        self._session, self._keys = None, {}  # handles may name other objects in the next session
        self._unload()
        self._loaded_at = time.monotonic()

    def _unavailable(self, error: Exception) -> HsmUnavailable:
        log.error("token does not answer", token=self.label, error=str(error))
        return HsmUnavailable(f"the token {self.label} does not answer: {error}")

    def _open(self) -> Session:
        if self._pin_refused:  # another try might be the one that locks the token
            raise HsmUnavailable(f"the token {self.label} refused the PIN; start anew with the right one")
        session = self._library.openSession(self._slot(), PyKCS11.CKF_SERIAL_SESSION | PyKCS11.CKF_RW_SESSION)
        try:
            session.login(self._pin.decode("utf-8"))
        except PyKCS11.PyKCS11Error as error:
            if error.value in PIN_REFUSED:
                self._pin_refused = True
                raise Misconfigured(f"keys.passphrase_file: the token {self.label} refuses the PIN: {error}") from error
            if error.value != PyKCS11.CKR_USER_ALREADY_LOGGED_IN:  # by another session of this process
                raise
        return session

    def _slot(self) -> int:
        there = []
        for slot in self._library.getSlotList(tokenPresent=True):
            info = self._library.getTokenInfo(slot)
            there.append(info.label.strip())
            if _matches(self._wanted, slot, info):
                return int(slot)
        raise TokenMissing(f"the module has {', '.join(filter(None, there)) or 'none'}")

    def _mechanisms(self) -> Mapping[Algorithm, Mechanisms]:
        """What the token does, by its own list."""
        try:
            listed = {PyKCS11.CKM[name] for name in self._library.getMechanismList(self._slot())}
        except TokenMissing as error:
            raise Misconfigured(f"keys.uri: no such token; {error}") from error
        except PyKCS11.PyKCS11Error as error:
            raise Misconfigured(f"keys.uri: the module {self._wanted.module} does not answer: {error}") from error
        sm4 = self._wanted.sm4
        wanted = {Algorithm.TDES: TDES}
        if sm4:
            wanted[Algorithm.SM4] = Mechanisms(sm4.key_type, sm4.derive, sm4.cbc, KEY_LEN)
        return {algorithm: one for algorithm, one in wanted.items() if {one.derive, one.cbc} <= listed}


def _load(module: str) -> Any:
    library = PyKCS11.PyKCS11Lib()
    try:
        return library.load(module)
    except PyKCS11.PyKCS11Error as error:
        raise Misconfigured(f"keys.uri: module-path={module} is not a PKCS#11 module that loads: {error}") from error


def _matches(wanted: TokenUri, slot: int, info: Any) -> bool:
    pairs = (
        (wanted.token, _text(info.label)),
        (wanted.serial, _text(info.serialNumber)),
        (wanted.manufacturer, _text(info.manufacturerID)),
        (wanted.model, _text(info.model)),
        (wanted.slot, slot),
    )
    initialised = bool(info.flags & PyKCS11.CKF_TOKEN_INITIALIZED)
    return initialised and all(want in {None, told} for want, told in pairs)


def _text(told: Any) -> str:
    return str(told).rstrip(" \0")


def _check_value(session: Session, handle: Handle) -> bytes:
    try:
        return bytes(session.getAttributeValue(handle, [PyKCS11.CKA_CHECK_VALUE])[0] or b"")
    except PyKCS11.PyKCS11Error:
        return b""
