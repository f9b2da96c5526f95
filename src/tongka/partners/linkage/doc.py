"""The tables of the page on the Linkage interface, written from the messages and the codes themselves."""

from collections.abc import Callable

from tongka import generated
from tongka.generated import table
from tongka.partners.linkage.codes import ERRORS, SUCCESS, UNKNOWN_ERROR
from tongka.partners.linkage.messages import OPERATIONS, Operation


def operations() -> str:
    """The eleven operations and where they are posted."""
    return table(("POST", ""), ((f"`{each.path}`", each.title) for each in OPERATIONS.values()))


def fields(operation: Operation) -> str:
    """What an operation is sent and what it answers."""
    answered = ", ".join(f"`{name}`" for name in operation.answer.__struct_encode_fields__)
    head = f"### {operation.path}\n\n{operation.title}\n\n"
    return f"{head}{generated.fields(operation.request)}\nAnswer: {answered}.\n"


def all_fields() -> str:
    return "\n".join(map(fields, OPERATIONS.values()))


def errors() -> str:
    every = (SUCCESS, *ERRORS, UNKNOWN_ERROR)
    rows = ((f"`{row.code}`", row.text, ", ".join(f"`{error}`" for error in row.errors)) for row in every)
    return table(("ErrorCode", "ErrorMsg", "Our refusals"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "linkage operations": operations,
    "linkage fields": all_fields,
    "linkage errors": errors,
}
"""The generated parts of ``docs/partners/linkage.md``."""


def refresh(page: str) -> str:
    """The page with every generated part written anew."""
    return generated.refresh(page, BLOCKS)
