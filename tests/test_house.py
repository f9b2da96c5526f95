"""The rules of the house that imports cannot show: pure ground and core, SQL in one room, files of a readable size."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tongka"

PURE = (
    "money.py", "errors.py", "wire.py", "days.py", "crypto", "card", "code", "orders.py", "ledger.py", "audit.py",
    "fares.py", "trips.py", "partners/alipay/client_messages.py", "partners/alipay/tickets.py",
    "partners/huzhou/messages.py", "partners/huzhou/codec.py", "partners/huzhou/codes.py", "partners/huzhou/fields.py",
)  # fmt: skip
"""Ground and core."""
DOORS = {
    "card/reader.py": "the PC/SC reader",
    "crypto/openssl.py": "finds libcrypto, which draws the nonces of signatures",
    "crypto/ippcp.py": "finds libippcp, and draws the nonces of its signatures",
    "crypto/sm2.py": "the four functions over both",
    "crypto/ecdsa.py": "makes test keys over libcrypto",
}
"""Files among them that are there to touch the world, and why."""

WORLD = {"asyncio", "asyncpg", "httpx", "os", "pathlib", "random", "requests", "secrets", "socket", "starlette",
         "subprocess", "time", "urllib"}  # fmt: skip
CLOCKS = re.compile(r"\b(?:datetime\.now|datetime\.utcnow|date\.today|time\.time)\(")
SQL = re.compile(r"""["'\s](?:INSERT INTO|DELETE FROM|UPDATE \w+ SET|SELECT .+ FROM) """)
LINES_MAX = 450


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]


def pure_files() -> list[Path]:
    found = [file for name in PURE for file in python_files(SOURCE / name)]
    return [file for file in found if str(file.relative_to(SOURCE)) not in DOORS]


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_rooms_are_where_the_page_says():
    assert all((SOURCE / name).exists() for name in (*PURE, *DOORS))
    assert len(pure_files()) > 25


@pytest.mark.parametrize("file", pure_files(), ids=lambda file: str(file.relative_to(SOURCE)))
def test_ground_and_core_do_not_touch_the_world(file):
    assert not imported(file) & WORLD
    assert not CLOCKS.search(file.read_text("utf-8"))


@pytest.mark.parametrize("file", python_files(SOURCE / "journeys"), ids=lambda file: file.name)
def test_journeys_are_handed_time_and_randomness(file):
    assert not imported(file) & (WORLD - {"asyncio"})
    assert not CLOCKS.search(file.read_text("utf-8"))


def test_sql_stands_in_the_store_alone():
    elsewhere = [file for file in python_files(SOURCE) if SOURCE / "store" not in file.parents]
    with_sql = [str(file.relative_to(SOURCE)) for file in elsewhere if SQL.search(file.read_text("utf-8"))]
    assert with_sql == []


def test_files_can_be_read_in_one_sitting():
    folders = ("src", "tests", "bench", "fuzz", "scripts", "sdk")
    files = [file for folder in folders for file in python_files(ROOT / folder) if "build" not in file.parts]
    long = {str(f.relative_to(ROOT)): n for f in files if (n := len(f.read_text("utf-8").splitlines())) > LINES_MAX}
    assert long == {}


def test_the_project_speaks_of_the_project_alone():
    """No paths of anybody's machine."""
    folders = ("src", "docs", "tests", "bench", "sdk", "fuzz", "scripts")
    patterns = ("*.py", "*.md", "*.toml", "*.c", "*.h")
    texts = [file for pattern in patterns for folder in folders for file in (ROOT / folder).rglob(pattern)]
    path = re.compile("/" + r"(?:root|home/\w+|work|tmp/wt)/")
    assert [str(file.relative_to(ROOT)) for file in texts if path.search(file.read_text("utf-8"))] == []
