"""What a journey needs, built once and handed down: the store, the keys, the payment institution, the clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tongka.keys import Hsm
from tongka.payments import PaymentInstitution
from tongka.settings import Settings
from tongka.store.db import Database
from tongka.store.parties import Parties


@dataclass(frozen=True, slots=True)
class System:
    """One running installation.

    Attributes:
        parties: who may speak to us, kept in memory and looked up anew every few seconds.
        clock: the present, with its zone (Asia/Shanghai).
        random: n random bytes.

    """

    settings: Settings
    database: Database
    hsm: Hsm
    payments: PaymentInstitution
    parties: Parties
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
