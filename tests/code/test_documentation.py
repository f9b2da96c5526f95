"""docs/ridecode.md prints what the code declares: layouts, tags, refusals, limits, in the order they have here."""

import re
from pathlib import Path

import pytest

from tongka.code.fields import Ascii as AsciiText
from tongka.code.fields import Boxed, Codec, Prefixed, codecs
from tongka.code.layout import AlipayCode, Certificate, Credential, MinistryCode
from tongka.code.reasons import Reason
from tongka.code.record import RecordV2, Tag
from tongka.code.verify import AT_SETTLEMENT, AT_THE_GATE

PAGE = (Path(__file__).parents[2] / "docs" / "ridecode.md").read_text(encoding="utf-8")


def length(codec: Codec) -> str:
    if isinstance(codec, AsciiText):
        return length(codec.inner)
    if isinstance(codec, Boxed):
        return f"{codec.width}+{codec.inner.size}"
    if isinstance(codec, Prefixed):
        return f"{codec.width}+n"
    return str(codec.size)


def declared(layout: type) -> list[tuple[str, str, str]]:
    """(offset, length, field) of each field; no offset behind a field of variable length."""
    rows: list[tuple[str, str, str]] = []
    offset: int | None = 0
    for name, codec in codecs(layout):
        rows.append(("…" if offset is None else str(offset), length(codec), name))
        offset = None if offset is None or codec.size is None else offset + codec.size
    return rows


def section(title: str) -> str:
    return re.search(rf"^#+ {re.escape(title)}$(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def printed(title: str) -> list[tuple[str, ...]]:
    """The first three columns of the section's table, its two head lines left out."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip(" `") for cell in line.strip("|").split("|")[:3]) for line in lines]


@pytest.mark.parametrize(
    ("title", "layout"),
    [
        ("The code", AlipayCode),
        ("The credential", Credential),
        ("The ministry's code", MinistryCode),
        ("The issuer's certificate", Certificate),
        ("The record, version 2", RecordV2),
    ],
)
def test_a_layouts_table_is_its_declaration(title: str, layout: type) -> None:
    assert printed(title) == declared(layout)


def test_the_tags_of_version_3_are_all_there() -> None:
    assert [row[:2] for row in printed("The record, version 3")] == [(f"{tag:04X}", tag.name) for tag in sorted(Tag)]


def test_the_refusals_are_all_there() -> None:
    assert [row[:2] for row in printed("Refusals")] == [(str(reason.value), reason.name) for reason in Reason]


def test_the_tolerances_are_as_printed() -> None:
    text = section("The checks, in their order")
    assert f"{AT_THE_GATE.early_s} s" in text
    assert AT_SETTLEMENT.early_s == AT_SETTLEMENT.late_s == AT_THE_GATE.early_s
    assert AT_THE_GATE.late_s == 0
