"""Secure channels to security domains: SCP02 and SCP03, the host's side. Bytes in, values out."""

from tongka.card.secure_channel.channel import (
    WRAPPED_DATA_MAX,
    Channel,
    InitializeUpdateAnswer,
    initialize_update,
    open_channel,
)
from tongka.card.secure_channel.protocol import (
    COMMANDS_ENCRYPTED,
    Protocol,
    SecurityLevel,
    SessionKeys,
    StaticKeys,
)

__all__ = [
    "COMMANDS_ENCRYPTED",
    "WRAPPED_DATA_MAX",
    "Channel",
    "InitializeUpdateAnswer",
    "Protocol",
    "SecurityLevel",
    "SessionKeys",
    "StaticKeys",
    "initialize_update",
    "open_channel",
]
