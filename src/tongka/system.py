"""What a journey needs, built once and handed down: the store, the keys, the payment institution, the clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from tongka.cores import Cores
from tongka.days import business_date
from tongka.installation import Installation
from tongka.keys import Hsm
from tongka.payments import PaymentInstitution
from tongka.payments.acquirer import Acquirer
from tongka.settings import Settings
from tongka.store.days import OpenDay
from tongka.store.db import Database
from tongka.store.parties import Parties
from tongka.traffic import Traffic


@dataclass(frozen=True, slots=True)
class System:
    """One running installation.

    Attributes:
        parties: who may speak to us, kept in memory and looked up anew every few seconds.
        clock: the present, with its zone (Asia/Shanghai).
        random: n random bytes.
        cores: where many signatures are checked at once.
        acquirers: the payment institutions that riders pay at, by name.
        installation: as the database was stamped; None where the parts were put together by hand.
        open_day: up to where the books are closed.
        traffic: counts requests and tells of them.

    """

    settings: Settings
    database: Database
    hsm: Hsm
    payments: PaymentInstitution
    parties: Parties
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    cores: Cores = field(default_factory=Cores)
    acquirers: Mapping[str, Acquirer] = field(default_factory=dict)
    installation: Installation | None = None
    open_day: OpenDay = field(default_factory=OpenDay)
    traffic: Traffic = field(default_factory=Traffic)

    def day(self, moment: datetime) -> date:
        """The business day to which a moment belongs: the city's, or the first open one where that is closed already.

        So it is when a day was cut early, when the cut was moved, and on a host whose clock is behind.
        """
        return max(business_date(moment, self.settings.city.cut), self.open_day.first)
