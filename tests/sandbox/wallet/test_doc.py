"""The page on phones says what the code does."""

from pathlib import Path

from tongka.generated import refresh
from tongka.sandbox.wallet.doc import BLOCKS

PAGE = Path(__file__).parents[3] / "docs" / "wallet.md"


def test_the_page_is_what_the_code_says():
    text = PAGE.read_text(encoding="utf-8")
    assert refresh(text, BLOCKS) == text
