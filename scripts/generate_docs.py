"""Write the pages of the documentation that come whole from the code.

    python scripts/generate_docs.py [--check]

With --check nothing is written, and the exit code is 1 if a page is not what the code says. Pages with generated parts
(tables of messages, codes, settings) have their own tests, each beside what it describes.
"""

import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from typer.cli import get_docs_for_click
from typer.main import get_command

from tongka import cli

DOCS = Path(__file__).parents[1] / "docs"
NOT_WORTH_SAYING = re.compile(r"^\* `--(install-completion|show-completion|help)`.*\n", re.MULTILINE)
EMPTY_OPTIONS = re.compile(r"^\*\*Options\*\*:\n+(?=\*\*|#|\Z)", re.MULTILINE)


def command_line() -> str:
    """Every command with its arguments and options, as `--help` tells them."""
    for name in [name for name in cli.GROUPS if find_spec(cli.module_of(name)) is None]:
        del cli.GROUPS[name]
    root = get_command(cli.main)
    page = get_docs_for_click(obj=root, ctx=root.context_class(root), name="tongka", title="The command line")
    return EMPTY_OPTIONS.sub("", NOT_WORTH_SAYING.sub("", page)).strip() + "\n"


PAGES: dict[str, Callable[[], str]] = {"cli.md": command_line}


def main() -> int:
    stale = [name for name, page in PAGES.items() if _text(DOCS / name) != page()]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/{name} is not what the code says; run scripts/generate_docs.py", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/{name}")
    return 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
