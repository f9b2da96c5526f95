"""The page on the Linkage interface is up to date with the code."""

from pathlib import Path

import pytest

from tongka.partners.linkage import doc
from tongka.partners.linkage.codes import ERRORS
from tongka.partners.linkage.messages import OPERATIONS

PAGE = (Path(__file__).parents[3] / "docs" / "partners" / "linkage.md").read_text("utf-8")


def test_the_generated_parts_are_what_the_code_says():
    assert doc.refresh(PAGE) == PAGE


def test_every_operation_field_and_code_stands_on_the_page():
    for operation in OPERATIONS.values():
        spellings = {*operation.request.__struct_encode_fields__, *operation.answer.__struct_encode_fields__}
        for word in {operation.path, *spellings}:
            assert f"`{word}`" in PAGE, word
    for row in ERRORS:
        assert f"| `{row.code}` | {row.text} |" in PAGE


def test_a_page_without_a_part_is_refused():
    with pytest.raises(ValueError, match="lacks <!-- generated: linkage errors -->"):
        doc.refresh(PAGE.replace("<!-- generated: linkage errors -->", ""))


def test_the_clients_example_is_valid_python():
    example = PAGE.split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(compile(example, "linkage.md", "exec"), names)  # noqa: S102 - our own documentation
    assert names["identity"].domain == "01"
