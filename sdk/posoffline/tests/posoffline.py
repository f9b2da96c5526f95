"""libposoffline through ctypes, with the structs as the document lists them: for tests, fuzzer and benchmark."""

import ctypes
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_ubyte, c_uint32, create_string_buffer
from dataclasses import dataclass
from pathlib import Path

BUILD = Path(__file__).parents[1] / "build"
MINIMA = {"uid": 17, "record": 2048, "card_no": 17, "card_data": 65, "card_type": 9}


class VerifyRequest(Structure):
    _fields_ = (
        ("qrcode", c_char_p),
        ("qrcode_len", c_int),
        ("pos_param", c_char_p),
        ("amount_cent", c_int),
    )


class VerifyResponse(Structure):
    _fields_ = tuple(
        pair for name in MINIMA for pair in ((name, ctypes.c_void_p), (f"{name}_len", c_int))
    )  # uid, uid_len, record, record_len, card_no, … in this order


class InfoRequest(Structure):
    _fields_ = (("qrcode", c_char_p), ("qrcode_len", c_int))


class InfoResponse(Structure):
    _fields_ = tuple(
        pair for name in MINIMA if name != "record" for pair in ((name, ctypes.c_void_p), (f"{name}_len", c_int))
    )


@dataclass(frozen=True)
class Answer:
    """The result, and after a success the fields."""

    result: int
    uid: str = ""
    record: str = ""
    card_no: str = ""
    card_data: bytes = b""
    card_type: str = ""


class Library:
    """One loaded library; the test build (`libposoffline-test.so`) has a clock that can be set."""

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        self.c.verify_qrcode_v2.argtypes = [POINTER(VerifyRequest), POINTER(VerifyResponse)]
        self.c.get_qrcode_info.argtypes = [POINTER(InfoRequest), POINTER(InfoResponse)]
        self.c.init_pos_verify.argtypes = [c_char_p, c_char_p]
        self.c.get_key_id.argtypes = [c_char_p]
        self.c.get_version.restype = c_char_p

    def set_clock(self, unix_s: int) -> None:
        self.c.pos_test_set_clock(c_uint32(unix_s))

    def init(self, key_list: str | None, card_types: str | None) -> int:
        texts = (text if text is None else text.encode() for text in (key_list, card_types))
        return int(self.c.init_pos_verify(*texts))

    def version(self) -> str:
        return bytes(self.c.get_version()).decode()

    def verifications(self) -> int:
        """Of the test build: signatures checked on secp256k1 and SM2's curve since it was loaded."""
        return int(self.c.pos_test_verifications())

    def key_id(self, code: bytes | None) -> int:
        return int(self.c.get_key_id(code))

    def verify(self, code: bytes, pos_param: bytes, amount_fen: int = 0, **sizes: int) -> Answer:
        """Call with buffers of exactly the minima, or of `sizes`."""
        response, buffers = self._response(VerifyResponse, {**MINIMA, **sizes})
        request = VerifyRequest(code, len(code), pos_param, amount_fen)
        return self._answer(self.c.verify_qrcode_v2(byref(request), byref(response)), response, buffers)

    def info(self, code: bytes, **sizes: int) -> Answer:
        wanted = {name: size for name, size in {**MINIMA, **sizes}.items() if name != "record"}
        response, buffers = self._response(InfoResponse, wanted)
        request = InfoRequest(code, len(code))
        return self._answer(self.c.get_qrcode_info(byref(request), byref(response)), response, buffers)

    @staticmethod
    def _response(kind: type[Structure], sizes: dict[str, int]) -> tuple[Structure, dict[str, ctypes.Array[c_ubyte]]]:
        response = kind()
        buffers = {name: create_string_buffer(b"\xee" * size, size) for name, size in sizes.items()}
        for name, buffer in buffers.items():
            setattr(response, name, ctypes.addressof(buffer))
            setattr(response, f"{name}_len", len(buffer))
        return response, buffers

    @staticmethod
    def _answer(result: int, response: Structure, buffers: dict[str, ctypes.Array[c_ubyte]]) -> Answer:
        """After a refusal no buffer may have been touched; after a success each ends with a NUL."""
        if result != 1:
            if any(buffer.raw.strip(b"\xee") for buffer in buffers.values()):
                raise AssertionError("a refusal wrote into the caller's buffers")
            return Answer(result)
        values = {}
        for name, buffer in buffers.items():
            length = getattr(response, f"{name}_len")
            if buffer.raw[length] != 0:
                raise AssertionError(f"no NUL follows {name}")
            values[name] = buffer.raw[:length] if name == "card_data" else buffer.raw[:length].decode()
        return Answer(result, **values)
