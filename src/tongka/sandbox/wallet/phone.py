"""A device with its secure elements: a phone, or the watch that is paired with one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Self

from tongka.card.apdu import Response
from tongka.errors import CardGone
from tongka.sandbox.element.image import ElementImage
from tongka.sandbox.element.machine import SoftwareElement
from tongka.sandbox.wallet.faults import Faults, PhoneDied, Step


class DeviceType(IntEnum):
    """As published."""

    PHONE = 0
    WATCH = 1


@dataclass(slots=True)
class Phone:
    """One device.

    Attributes:
        elements: by identifier, the preferred first.
        faults: what is to go wrong.
        connected: a watch may be out of reach.

    """

    device_id: str
    elements: dict[str, SoftwareElement]
    type: DeviceType = DeviceType.PHONE
    name: str = "Phone"
    faults: Faults = field(default_factory=Faults)
    connected: bool = True

    @classmethod
    def of(cls, entries: Sequence[Any], random: Callable[[int], bytes], type_: DeviceType = DeviceType.PHONE) -> Self:
        """A phone with the elements of these entries of sandbox.json, or kept images; they name one device.

        Raises:
            Malformed: an entry is none.

        """
        images = [ElementImage.from_json(entry) for entry in entries]
        return cls(images[0].device_id, {image.se_id: SoftwareElement(image, random) for image in images}, type_)

    def to_json(self) -> list[Any]:
        """The elements as they stand: what `of` reads."""
        return [element.image.to_json() for element in self.elements.values()]

    def transmit(self, se_id: str, apdu: bytes) -> Response | None:
        """One command to one element; None where the answer is not to be had.

        Raises:
            PhoneDied: at this command's boundaries, if the faults say so.

        """
        self.reach(Step.APDU, apdu)
        element = self.elements[se_id]
        try:
            answer: Response | None = element.transmit(apdu)
        except CardGone:  # the element's own power switch
            element.power_on()
            answer = None
        self.reach(Step.ANSWER, apdu)
        return answer

    def reach(self, step: Step, apdu: bytes = b"") -> None:
        """Take a step; dying switches everything off."""
        try:
            self.faults.reach(step, apdu)
        except PhoneDied:
            self.switch_off()
            raise

    def switch_off(self) -> None:
        for element in self.elements.values():
            element.power_off()

    def switch_on(self) -> None:
        for element in self.elements.values():
            element.power_on()
