"""Pages of the documentation whose tables are written from the code, so that they cannot say anything else.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; a test asks that every page is what
`refresh` makes of it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn


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


def _missing(name: str) -> NoReturn:
    raise ValueError(f"the page lacks <!-- generated: {name} --> or the <!-- end --> after it")
