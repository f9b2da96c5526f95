"""The official Python client (alipay-sdk-python), unmodified: calls from standard input, outcomes to standard output.

Input: {"gateway", "app_id", "app_private_key", "alipay_public_key", "calls": [[method, biz_content], …]}. Output: for
each call {"code", "sub_code", "ok", "seen"}, `seen` being what the client's own response class made of the answer.
"""

import importlib
import json
import sys

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient


def named(kind: str, method: str, suffix: str) -> type | None:
    name = "".join(part.capitalize() for part in method.split(".")) + suffix
    try:
        return getattr(importlib.import_module(f"alipay.aop.api.{kind}.{name}"), name)
    except ModuleNotFoundError:
        return None


def plain(value: object) -> object:
    """As JSON; the client's own to_alipay_dict leaves out what is 0 or false."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    return members(value) if hasattr(value, "to_alipay_dict") else value


def members(value: object) -> dict:
    return {name.lstrip("_"): plain(one) for name, one in vars(value).items() if one is not None}


def run(client: DefaultAlipayClient, method: str, biz: dict | None) -> dict:
    request = named("request", method, "Request")()
    model = named("domain", method, "Model")
    if model and biz is not None:
        request.biz_model = model.from_alipay_dict(biz)
    elif biz is not None:
        request.biz_content = biz
    response = named("response", method, "Response")()
    response.parse_response_content(client.execute(request))
    return {
        "code": response.code,
        "sub_code": response.sub_code,
        "ok": response.is_success(),
        "seen": members(response),
    }


given = json.load(sys.stdin)
config = AlipayClientConfig()
config.server_url = given["gateway"]
config.app_id = given["app_id"]
config.app_private_key = given["app_private_key"]
config.alipay_public_key = given["alipay_public_key"]
opened = DefaultAlipayClient(config)
json.dump([run(opened, method, biz) for method, biz in given["calls"]], sys.stdout)
