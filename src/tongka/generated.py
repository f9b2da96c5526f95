"""Pages of the documentation whose tables are written from the code, so that they cannot say anything else.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; a test asks that every page is what
`refresh` makes of it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from msgspec import NODEFAULT, Struct, structs

from tongka.wire import expectations


def refresh(page: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """The page with every generated part written anew.

    Raises:
        ValueError: the page has no place for one of them.

    """
    for name, write in blocks.items():
        start = f"<!-- generated: {name} -->\n"
        head, found, rest = page.partition(start)
        _, ended, tail = rest.partition("<!-- end -->")
        if not found or not ended:
            _missing(name)
        page = f"{head}{start}\n{write()}\n{ended}{tail}"
    return page


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def fields(kind: type[Struct]) -> str:
    """The fields of a message as its partner spells them, and what each expects."""
    expected = expectations(kind)
    rows = (
        (f"`{field.encode_name}`", "Y" if _required(field) else "", expected[field.encode_name])
        for field in structs.fields(kind)
    )
    return table(("Field", "Required", "Expected"), rows)


def _required(field: structs.FieldInfo) -> bool:
    return field.default is NODEFAULT and field.default_factory is NODEFAULT


def _missing(name: str) -> NoReturn:
    raise ValueError(f"the page lacks <!-- generated: {name} --> or the <!-- end --> after it")
