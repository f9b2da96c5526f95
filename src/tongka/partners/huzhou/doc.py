"""The tables of the page on the Huzhou interface, written from the code lists and the messages themselves."""

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from tongka import generated
from tongka.generated import table
from tongka.partners.huzhou import codes, messages
from tongka.partners.huzhou.messages import OPERATIONS, Operation

LISTS: dict[str, tuple[codes.Row, ...]] = {
    "channels": codes.CHANNELS,
    "order types": codes.ORDER_TYPES,
    "order states": codes.ORDER_STATES,
    "payment methods": codes.PAYMENT_METHODS,
    "areas": codes.AREAS,
    "charge types": codes.CHARGE_TYPES,
    "return types": codes.RETURN_TYPES,
    "card results": codes.CARD_RESULTS,
    "real-name flags": codes.REAL_NAME_FLAGS,
    "init flags": codes.INIT_FLAGS,
    "card states": codes.CARD_STATES,
}


def operations() -> str:
    """The twelve operations and where they are posted."""
    rows = ((each.clause, each.title, f"`/cardfront{each.path}`") for each in OPERATIONS.values())
    return table(("Clause", "", "POST"), rows)


def envelope() -> str:
    """The fields around a request's `data`."""
    return generated.fields(messages.Request)


def fields(operation: Operation) -> str:
    """What an operation is sent and what it answers."""
    asked = f"### {operation.name}\n\n{operation.clause} {operation.title}\n\n{generated.fields(operation.request)}"
    answered = ", ".join(f"`{name}`" for name in _spellings(operation.answer)) if operation.answer else "no data"
    return f"{asked}\nAnswer: {answered}.\n"


def all_fields() -> str:
    return "\n".join(map(fields, OPERATIONS.values()))


def code_list(rows: tuple[codes.Row, ...]) -> str:
    return table(("Code", "Text"), ((f"`{row.code}`", row.text) for row in rows))


def results() -> str:
    """Appendix D, and which of our refusals is told by which row."""
    by_row: dict[codes.Row, list[str]] = {}
    for error, row in codes.RESULT_OF.items():
        by_row.setdefault(row, []).append(f"`{error}`")
    rows = ((f"`{row.code}`", row.text, ", ".join(by_row.get(row, []))) for row in codes.RESULTS)
    return table(("Code", "Text", "Our refusals"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "huzhou operations": operations,
    "huzhou envelope": envelope,
    "huzhou fields": all_fields,
    "huzhou results": results,
    **{f"huzhou {name}": partial(code_list, rows) for name, rows in LISTS.items()},
}
"""The generated parts of ``docs/partners/huzhou.md``: each stands between ``<!-- generated: NAME -->`` and
``<!-- end -->``."""


def refresh(page: str) -> str:
    """The page with every generated part written anew."""
    return generated.refresh(page, BLOCKS)


def _spellings(kind: type[Struct]) -> tuple[str, ...]:
    return kind.__struct_encode_fields__
