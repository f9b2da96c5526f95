"""Appendix C against the document's own rows."""

import json
import re
from pathlib import Path

import pytest

from tongka.card import appendix_c
from tongka.card.commands import CommandKind, classify
from tongka.errors import Unsupported

PRINTED = json.loads((Path(__file__).parents[1] / "vectors" / "huzhou_appendix_c.json").read_bytes())["rows"]
MISPRINTS = {"IDX_0026": "00B20ACC00"}
KINDS = {
    "IDX_2001": CommandKind.UPDATE_BINARY_MAC,
    "IDX_2002": CommandKind.INIT_FOR_LOAD,
    "IDX_2003": CommandKind.CREDIT_FOR_LOAD,
    "IDX_2004": CommandKind.INIT_FOR_PURCHASE,
    "IDX_2005": CommandKind.DEBIT_FOR_PURCHASE,
}


def test_the_table_has_exactly_the_printed_rows_in_their_order():
    assert [row.index for row in appendix_c.ROWS] == [row["index"] for row in PRINTED]


@pytest.mark.parametrize("printed", PRINTED, ids=lambda row: row["index"])
def test_each_row_is_as_printed(printed):
    row = appendix_c.BY_INDEX[printed["index"]]
    value = MISPRINTS.get(row.index, printed["value"])
    assert row.text == printed["text"]
    assert row.required == (printed["required"] == "是")
    assert row.template.split("{")[0] == re.match(r"[0-9A-F]+", value)[0]


@pytest.mark.parametrize("row", [row for row in appendix_c.ROWS if row.is_fixed], ids=lambda row: row.index)
def test_each_fixed_row_is_a_command_that_we_recognise(row):
    assert row.command.hex == row.template
    assert classify(row.command) is not CommandKind.UNKNOWN


@pytest.mark.parametrize("row", [row for row in appendix_c.ROWS if not row.is_fixed], ids=lambda row: row.index)
def test_each_template_has_as_many_bytes_as_its_lc_says(row):
    head, *parts = row.template.split("{")
    values = sum(int(part.rstrip("}").split(":")[1]) for part in parts)
    filled = bytes.fromhex(head) + bytes(values)
    assert filled[4] == values
    assert classify(filled) is KINDS[row.index]


@pytest.mark.parametrize("index", ["IDX_2003", "IDX_0049", "idx_0001"])
def test_what_is_no_fixed_row_is_refused(index):
    with pytest.raises(Unsupported, match=index):
        appendix_c.command(index)
