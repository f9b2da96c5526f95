"""The settings of what processes tell: their log, and who may see what is inside besides this machine."""

from typing import Annotated, Literal

from msgspec import Meta

from tongka.settings_base import Section


class Log(Section, frozen=True):
    """What the processes write to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug shows APDUs; production refuses it")
    ] = "info"
    format: Annotated[Literal["json", "text"], Meta(description="json for machines, text for people")] = "text"
    requests: Annotated[bool, Meta(description="a line for each request; a busy city may do without")] = True


class Monitoring(Section, frozen=True):
    """Tokens for /metrics and the console, which answer this machine only otherwise."""

    metrics_token_file: Annotated[
        str,
        Meta(description="file with a token, 32 characters or more: whoever sends it as a bearer may read /metrics"),
    ] = ""
    console_token_file: Annotated[
        str,
        Meta(description="file with a token that the proxy which knows the operators sends as a bearer to /console"),
    ] = ""
