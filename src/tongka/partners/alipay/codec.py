"""The open gateway's envelope: parameters out of query and body, what is signed, and the answer around its node.

Bytes in, values out. The signed string is every parameter but `sign`, sorted by name; parameters whose value is empty
may be in it or not. The answer's signature covers exactly the bytes of the node.
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from tongka.partners.alipay.codes import CommonRefused

MAX_BODY_BYTES: Final = 8 << 20
"""A settle call of 2,000 trades of entry and exit."""
MAX_PARAMETERS: Final = 64
MAX_METHOD: Final = 128

CHARSETS: Final[Mapping[str, str]] = {
    "": "utf-8",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "gbk": "gbk",
    "gb2312": "gbk",
}
HASHES: Final[Mapping[str, HashAlgorithm]] = {"RSA": SHA1(), "RSA2": SHA256()}  # noqa: S303 - RSA is SHA-1
DEFAULT_SIGN_TYPE: Final = "RSA"
ERROR_NODE: Final = "error_response"

_METHOD = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+)*")
_PLAIN = re.compile(r"[A-Za-z0-9.]*")
_CHARSET = re.compile(rb"(?:^|&)charset=([^&]*)")
_WITHOUT_NUL: Final = {"app_id": "isv.invalid-app-id", "charset": "isv.invalid-charset"}


# --- the request ------------------------------------------------------------------------------------------------------


def parameters(query: bytes, body: bytes) -> dict[str, str]:
    """Every parameter of query and body, decoded; how they are split between the two does not matter.

    Raises:
        CommonRefused: another charset, bytes that are none of it, too many parameters, one that is there twice with
            different values.

    """
    charset = _charset(query, body)
    found: dict[str, str] = {}
    for part in (query, body):
        for name, value in _pairs(part, charset):
            if "\0" in name or ("\0" in value and name != "biz_content"):
                raise CommonRefused(_WITHOUT_NUL.get(name, "isv.invalid-parameter"), "it holds the character U+0000")
            if found.setdefault(name, value) != value:
                raise CommonRefused("isv.invalid-parameter", f"{name[:32]!r} is there twice")
    return found


def glimpse(query: bytes, body: bytes) -> dict[str, str]:
    """What the form of an answer depends on, of a request that cannot be read whole; empty where it is not plain."""
    return {name: _glimpse(query + b"&" + body, name) for name in ("method", "sign_type")}


def _glimpse(both: bytes, name: str) -> str:
    given = set(re.findall(rb"(?:^|(?<=&))%s=([^&]*)" % name.encode(), both))
    text = given.pop().decode("latin-1") if len(given) == 1 else ""
    return text if _PLAIN.fullmatch(text) else ""


def _pairs(part: bytes, charset: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            part.decode("ascii"),
            keep_blank_values=True,
            encoding=charset,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except UnicodeError as error:
        raise CommonRefused("isv.invalid-charset", f"the parameters are not {charset}, percent-encoded") from error
    except ValueError as error:
        raise CommonRefused("isv.invalid-parameter", f"at most {MAX_PARAMETERS} parameters are read") from error


def _charset(query: bytes, body: bytes) -> str:
    named = _CHARSET.search(query) or _CHARSET.search(body)
    name = unquote_plus(named[1].decode("latin-1")).lower() if named else ""
    if name not in CHARSETS:
        raise CommonRefused("isv.invalid-charset", "utf-8 and gbk are read")
    return CHARSETS[name]


def node_of(method: str) -> str:
    """The name of a method's node: letters and `_` only.

    Raises:
        CommonRefused: the method is missing or no method's name; the answer then goes under `ERROR_NODE`.

    """
    if not method:
        raise CommonRefused("isv.missing-method")
    if len(method) > MAX_METHOD or not _METHOD.fullmatch(method):
        raise CommonRefused("isv.invalid-method")
    return method.replace(".", "_") + "_response"


# --- signatures -------------------------------------------------------------------------------------------------------


def signed_text(given: Mapping[str, str], *, empty: bool = True, without: tuple[str, ...] = ("sign",)) -> str:
    """`k=v` of every parameter, sorted by name; `empty`: those with an empty value too."""
    return "&".join(f"{name}={given[name]}" for name in sorted(given) if name not in without and (empty or given[name]))


def verify(given: Mapping[str, str], key: RSAPublicKey) -> None:
    """Check the signature of a request.

    Raises:
        CommonRefused: it is missing or does not verify; then with the string that was signed here, for the developer.

    """
    sign_type = given.get("sign_type") or DEFAULT_SIGN_TYPE
    if sign_type not in HASHES:
        raise CommonRefused("isv.invalid-signature-type", "RSA2 and RSA are read")
    if not given.get("sign"):
        raise CommonRefused("isv.missing-signature")
    charset = CHARSETS[given.get("charset", "").lower()]
    texts = [signed_text(given, empty=empty).encode(charset) for empty in (False, True)]
    if not any(_verifies(key, given["sign"], text, HASHES[sign_type]) for text in dict.fromkeys(texts)):
        raise CommonRefused("isv.invalid-signature", _how_it_was_built(texts[0].decode(charset)))


def _verifies(key: RSAPublicKey, sign: str, text: bytes, kind: HashAlgorithm) -> bool:
    try:
        key.verify(base64.b64decode(sign, validate=True), text, PKCS1v15(), kind)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _how_it_was_built(text: str) -> str:
    return f"建议检查签名字符串或签名私钥与应用公钥是否匹配，网关生成的验签字符串为：{escape_html(text)}"


def escape_html(text: str) -> str:
    """Quotes and braces too: some clients cut the answer on them."""
    return html.escape(text).replace("{", "&#123;").replace("}", "&#125;")


# --- the answer -------------------------------------------------------------------------------------------------------

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_CUTTING = re.compile(r"\\.|[{}]")
_ESCAPES: Final[Mapping[str, str]] = {"{": "\\u007B", "}": "\\u007D", '\\"': "\\u0022", "\\\\": "\\u005C"}


def node_text(contents: Mapping[str, Any]) -> bytes:
    """The node in ASCII, which is the same in every charset; braces and quotes inside its texts are escaped."""
    return _STRING.sub(_without_cutting, json.dumps(contents, separators=(",", ":"))).encode("ascii")


def _without_cutting(string: re.Match[str]) -> str:
    text = string[0]
    if "{" not in text and "}" not in text and "\\" not in text:
        return text
    return _CUTTING.sub(lambda found: _ESCAPES.get(found[0], found[0]), text)


def answer(node: str, contents: bytes, signature: bytes, cert_sn: str = "") -> bytes:
    """The whole answer: the node as signed, then its signature; in certificate mode what verifies it."""
    tail = b',"alipay_cert_sn":"%s"}' % cert_sn.encode() if cert_sn else b"}"
    return b'{"%s":%s,"sign":"%s"' % (node.encode(), contents, base64.b64encode(signature)) + tail
