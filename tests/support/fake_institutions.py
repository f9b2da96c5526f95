"""Alipay and WeChat Pay as the libraries meet them: local servers that sign with real keys, and can be told to fail."""

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def private_pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def signed(key: rsa.RSAPrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


@dataclass
class Institution:
    """Answers a request with what `answers` has for it; forged answers are signed with another key.

    Attributes:
        answers: by method (Alipay) or path (WeChat Pay): (status, fields); missing: the connection is dropped.
        files: by path: what is downloaded there, unsigned.

    """

    key: rsa.RSAPrivateKey = field(default_factory=new_key)
    answers: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    forged: bool = False

    def __enter__(self):
        institution = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if urlsplit(self.path).path in institution.files:
                    self.send_file(institution.files[urlsplit(self.path).path])
                else:
                    institution.respond(self, body)

            def send_file(self, content: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/octet-stream")
                self.end_headers()
                self.wfile.write(content)

            do_GET = handle_any  # noqa: N815 - the base class's names
            do_POST = handle_any  # noqa: N815 - as above

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def signing(self) -> rsa.RSAPrivateKey:
        return new_key() if self.forged else self.key


@dataclass
class FakeAlipay(Institution):
    """The open platform's gateway.

    Attributes:
        named: in certificate mode, the serials that each request has to name, and the application's public key.
        cert_sn: then, of the certificate that answers verify with.

    """

    named: dict | None = None
    cert_sn: str = ""

    def respond(self, handler, _body: bytes) -> None:
        query = {name: value[0] for name, value in parse_qs(urlsplit(handler.path).query).items()}
        self.asked.append((query["method"], json.loads(query["biz_content"])))
        if not self.knows(query):
            handler.connection.close()
            return
        if query["method"] not in self.answers:
            handler.connection.close()
            return
        text = json.dumps(self.answers[query["method"]][1])
        name = query["method"].replace(".", "_") + "_response"
        cert_sn = f',"alipay_cert_sn":"{self.cert_sn}"' if self.cert_sn else ""
        body = f'{{"{name}":{text}{cert_sn},"sign":"{signed(self.signing, text.encode())}"}}'.encode()
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body)

    def knows(self, query: dict) -> bool:
        """Whether a request names the right certificates; it has to be signed with the application's key."""
        if self.named is None:
            return True
        text = "&".join(f"{name}={value}" for name, value in sorted(query.items()) if name != "sign")
        sign = base64.b64decode(query["sign"])
        self.named["key"].verify(sign, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return all(query.get(name) == self.named[name] for name in ("app_cert_sn", "alipay_root_cert_sn"))

    def notice(self, **fields: str) -> bytes:
        text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
        return urlencode(fields | {"sign_type": "RSA2", "sign": signed(self.signing, text.encode())}).encode()


class FakeWechat(Institution):
    """api.mch.weixin.qq.com."""

    KEY_ID = "PUB_KEY_ID_1"
    API_KEY = "0123456789abcdef0123456789abcdef"

    def headers(self, body: bytes) -> dict[str, str]:
        text = b"1700000000\nnonce\n" + body + b"\n"
        return {
            "Content-Type": "application/json",
            "Wechatpay-Signature": signed(self.signing, text),
            "Wechatpay-Timestamp": "1700000000",
            "Wechatpay-Nonce": "nonce",
            "Wechatpay-Serial": self.KEY_ID,
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        }

    def respond(self, handler, body: bytes) -> None:
        path = urlsplit(handler.path).path
        self.asked.append((path, json.loads(body) if body else {}))
        if path not in self.answers:
            handler.connection.close()
            return
        status, fields = self.answers[path]
        answer = json.dumps(fields).encode()
        handler.send_response(status)
        for name, value in self.headers(answer).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer)

    def notice(self, resource: dict) -> tuple[dict[str, str], bytes]:
        sealed = AESGCM(self.API_KEY.encode()).encrypt(b"nonce-of-12b", json.dumps(resource).encode(), b"transaction")
        body = json.dumps({
            "id": "1", "resource_type": "encrypt-resource", "event_type": "TRANSACTION.SUCCESS",
            "resource": {"algorithm": "AEAD_AES_256_GCM", "ciphertext": base64.b64encode(sealed).decode(),
                         "associated_data": "transaction", "nonce": "nonce-of-12b"},
        }).encode()  # fmt: skip
        return self.headers(body), body
