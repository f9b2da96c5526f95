"""The page on the Huzhou interface is up to date with the code."""

from pathlib import Path

import pytest

from tongka.partners.huzhou import doc
from tongka.partners.huzhou.codes import RESULTS
from tongka.partners.huzhou.messages import OPERATIONS

PAGE = (Path(__file__).parents[3] / "docs" / "partners" / "huzhou.md").read_text("utf-8")


def test_the_generated_parts_are_what_the_code_says():
    assert doc.refresh(PAGE) == PAGE


def test_every_operation_field_and_code_stands_on_the_page():
    for operation in OPERATIONS.values():
        spellings = set(doc._spellings(operation.request)) | set(doc._spellings(operation.answer or operation.request))
        for word in {operation.name, *spellings}:
            assert word in PAGE, word
    for row in RESULTS:
        assert f"| `{row.code}` | {row.text} |" in PAGE


def test_a_page_without_a_part_is_refused():
    with pytest.raises(ValueError, match="lacks <!-- generated: huzhou areas -->"):
        doc.refresh(PAGE.replace("<!-- generated: huzhou areas -->", ""))


def test_the_clients_example_is_valid_python():
    example = PAGE.split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(compile(example, "huzhou.md", "exec"), names)  # noqa: S102 - our own documentation
    assert names["identity"].institution == "33600001"
