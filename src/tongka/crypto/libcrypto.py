"""The system's libcrypto (OpenSSL 3), loaded through cffi's ABI mode.

It is the one maintained library that has both SM2 and secp192k1; PyPI's `cryptography` carries a libcrypto of its own
inside its wheel, but exposes neither curve. Each module declares the functions that it calls and opens them here.
"""

from ctypes.util import find_library
from functools import cache
from typing import Any

from cffi import FFI

from tongka.errors import Misconfigured

_NAMES = ("libcrypto.so.3", "libcrypto.3.dylib")


def open_libcrypto(ffi: FFI) -> Any:
    """Open libcrypto for the declarations in `ffi`.

    Raises:
        Misconfigured: no OpenSSL 3 is installed.

    """
    return ffi.dlopen(_path())


@cache
def _path() -> str:
    for name in (*_NAMES, find_library("crypto")):
        if name is not None and _opens(name):
            return name
    raise Misconfigured("libcrypto of OpenSSL 3 was not found; install it (Debian: libssl3)")


def _opens(name: str) -> bool:
    probe = FFI()
    probe.cdef("unsigned int OPENSSL_version_major(void);")
    try:
        library: Any = probe.dlopen(name)
        return bool(library.OPENSSL_version_major() >= 3)
    except (OSError, AttributeError):
        return False
