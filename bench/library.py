"""How long the cryptographic library itself is at work for what our code asks of it, in this process.

What is timed is each call into `cryptography`: setting a cipher up, feeding it, MACs, AEAD. The calls are the real
ones, made by the code under measurement, so that nothing is guessed of how many there are and of how many bytes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives.ciphers import Cipher

from tongka.card.secure_channel import scp03
from tongka.keys import software


class Watch:
    """Seconds spent in the library while `running`."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self.running = False

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed; what it makes is timed as well."""

        def made(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            found = call(*arguments, **named)
            if self.running:
                self.spent_s += time.perf_counter() - start
            return found if isinstance(found, bytes | None) else _Timed(self, found)

        return made


class _Timed:
    """A context or key of the library whose methods are timed."""

    def __init__(self, watch: Watch, inner: Any) -> None:
        self._watch, self._inner = watch, inner

    def __getattr__(self, name: str) -> Any:
        return self._watch.timed(getattr(self._inner, name))


@contextmanager
def watched() -> Iterator[Watch]:
    """Inside, the library's calls are timed while the watch runs."""
    watch = Watch()
    with (
        patch.object(Cipher, "encryptor", watch.timed(Cipher.encryptor)),
        patch.object(Cipher, "decryptor", watch.timed(Cipher.decryptor)),
        patch.object(scp03, "CMAC", watch.timed(scp03.CMAC)),
        patch.object(software, "AESGCM", watch.timed(software.AESGCM)),
    ):
        yield watch
