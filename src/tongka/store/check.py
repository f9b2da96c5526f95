"""What a check of the books is: a query that answers the rows which break a rule."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """`sql` answers the rows that break the rule which `sentence` states."""

    name: str
    sentence: str
    sql: str
