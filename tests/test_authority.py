"""Who may do what is printed in the documentation as it stands in the table."""

from pathlib import Path

from tongka.authority import AUTHORITY
from tongka.generated import refresh, table

PAGE = Path(__file__).parents[1] / "docs" / "operating" / "operators.md"


def rows():
    return table(
        ("`tongka …`", "in production", "why"),
        ((f"`{name}`", who.value, why) for name, (who, why) in AUTHORITY.items()),
    )


def test_the_page_has_the_table_as_it_is():
    text = PAGE.read_text("utf-8")
    assert text == refresh(text, {"authority": rows})
