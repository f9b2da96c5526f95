"""sandbox.json: what an integrator needs to know of a running city. Hex is upper case, money is fen as numbers."""

import json
from pathlib import Path
from typing import Any

from tongka.keys.keyring import ENDPOINTS
from tongka.sandbox import linkage_city, merchant_city, plan, riding_city, wallet_city
from tongka.sandbox.city import DISCOVERY, City, write_whole

FORMAT = 1
HUZHOU = {
    "joininstid": plan.IDENTITY.institution,
    "instid": plan.IDENTITY.partner,
    "mchntid": plan.IDENTITY.merchant,
    "netid": plan.IDENTITY.network,
    "termid": plan.IDENTITY.terminal,
    "oprid": plan.IDENTITY.operator,
    "batchno": plan.IDENTITY.batch,
    "chnlid": plan.IDENTITY.channel,
    "areaflag": plan.IDENTITY.area,
}
"""The envelope's fields that stay the same (Huzhou 2.4)."""


async def document(city: City, base_url: str) -> dict[str, Any]:
    """The whole file; a partner's section is there as soon as its interface is."""
    platform = await city.system.hsm.public_key(ENDPOINTS[0])
    return {
        "format": FORMAT,
        "base_url": base_url,
        "console": f"{base_url}/console",
        "huzhou": {
            "base_url": f"{base_url}/cardfront",
            **HUZHOU,
            "partner_private_key": city.partner_key.secret_bytes().hex().upper(),
            "partner_public_key": city.partner_key.public_key.compressed.hex().upper(),
            "platform_public_key": platform.hex().upper(),
        },
        "linkage": linkage_city.section(base_url, city.seed, city.cards),
        **await riding_city.sections(city.system, city.riding, base_url),
        "merchant": merchant_city.section(city.seed, base_url),
        "wallet": wallet_city.section(base_url, city.seed, city.partner_key),
        "cards": [image.to_json() for image in city.cards],
    }


async def publish(city: City, base_url: str) -> Path:
    """Write the file, whole; called when the city is ready to serve."""
    path = city.folder / DISCOVERY
    write_whole(path, json.dumps(await document(city, base_url), indent=1, ensure_ascii=False) + "\n")
    return path
