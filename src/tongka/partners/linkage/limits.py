"""How often each channel and each of its terminals may call in a minute."""

from tongka.journeys.limits import Limits
from tongka.store.channels import ChannelRow


async def count(limits: Limits, channel: ChannelRow, terminal: str) -> None:
    """Count a request; `terminal` is empty where it names none.

    Raises:
        TooManyRequests: the channel's limit of this minute, or the terminal's, is reached.

    """
    name = f"linkage|{channel.domain}|{channel.channel}"
    limited = [(name, channel.per_minute)]
    if terminal:
        limited.append((f"{name}|{terminal}", channel.terminal_per_minute))
    await limits.count(*limited)
