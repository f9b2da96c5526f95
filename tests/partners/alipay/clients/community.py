"""The community's Python client (python-alipay-sdk), unmodified; in and out as `official.py`."""

import json
import sys

from alipay import AliPay

given = json.load(sys.stdin)
client = AliPay(
    appid=given["app_id"],
    app_notify_url=None,
    app_private_key_string=given["app_private_key"],
    alipay_public_key_string=given["alipay_public_key"],
    sign_type=given.get("sign_type", "RSA2"),
)
client._gateway = given["gateway"]  # the only way to another gateway than the public one


def run(method: str, biz: dict | None) -> dict:
    node = client.server_api(method, biz or {})
    return {"code": node["code"], "sub_code": node.get("sub_code"), "ok": node["code"] == "10000", "seen": node}


json.dump([run(method, biz) for method, biz in given["calls"]], sys.stdout)
