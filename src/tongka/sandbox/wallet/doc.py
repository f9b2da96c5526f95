"""What the page on phones says from the code."""

from tongka.generated import table
from tongka.sandbox.element.image import PACKAGES
from tongka.sandbox.element.personal import FILES, KEYS
from tongka.sandbox.wallet.client import BUSINESSES
from tongka.sandbox.wallet.codes import ROWS, Code
from tongka.sandbox.wallet.faults import Step


def codes() -> str:
    return table(("Code", "Text", "Means"), ((str(row.number), row.text, _means(row)) for row in ROWS))


def _means(row: Code) -> str:
    return f"{row.ending.value}, refundable" if row.refundable else row.ending.value


def businesses() -> str:
    rows = (
        (one.name, str(one.no_card or ""), str(one.bad_status or ""), str(one.not_confirmed), str(one.unknown))
        for one in BUSINESSES
    )
    return table(("Order", "No such card", "Locked", "Not confirmed", "Unknown"), rows)


def groupings() -> str:
    files = ((f"{dgi:04X}", f"file {layout.NAME}, {layout.LENGTH} bytes") for dgi, layout in FILES.items())
    keys = ((f"{dgi:04X}", f"the {name} key") for dgi, name in KEYS.items())
    return table(("DGI", "Holds"), (*files, *keys))


def packages() -> str:
    rows = ((p.hex().upper(), ", ".join(m.hex().upper() for m in sorted(modules))) for p, modules in PACKAGES.items())
    return table(("Load file", "Modules"), rows)


def steps() -> str:
    return ", ".join(f"`{step.value}`" for step in Step) + "\n"


BLOCKS = {
    "wallet codes": codes,
    "wallet businesses": businesses,
    "element groupings": groupings,
    "element packages": packages,
    "phone steps": steps,
}
