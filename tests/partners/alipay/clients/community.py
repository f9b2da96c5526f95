"""The community's Python client (python-alipay-sdk), unmodified; in and out as `official.py`."""

import json
import sys

from alipay import AliPay, DCAliPay

given = json.load(sys.stdin)
common = {
    "appid": given["app_id"],
    "app_notify_url": None,
    "app_private_key_string": given["app_private_key"],
    "sign_type": given.get("sign_type", "RSA2"),
}
if certificates := given.get("certificates"):
    client = DCAliPay(
        app_public_key_cert_string=certificates["app"],
        alipay_public_key_cert_string=certificates["gateway"],
        alipay_root_cert_string=certificates["root"],
        **common,
    )
else:
    client = AliPay(alipay_public_key_string=given["alipay_public_key"], **common)
client._gateway = given["gateway"]  # the only way to another gateway than the public one


def run(method: str, biz: dict | None) -> dict:
    node = client.server_api(method, biz or {})
    return {"code": node["code"], "sub_code": node.get("sub_code"), "ok": node["code"] == "10000", "seen": node}


json.dump([run(method, biz) for method, biz in given["calls"]], sys.stdout)
