r"""What the fields of Linkage messages may hold. Every value is a text, and an empty one is as good as missing.

Source: Linkage OneCard API 1.0.1, parameters of the operations; the document prints no lengths, those here are ours.
Hexadecimal digits are read in both cases.
"""

from typing import Annotated

from msgspec import Meta

from tongka.wire import ObjectReader

MAX_BODY_BYTES = 64 * 1024
READER = ObjectReader(MAX_BODY_BYTES, max_depth=1, case_blind=True)
"""Names differing only in case would be one name in the token, so they count as repeated."""

Name = Annotated[str, Meta(min_length=1, max_length=64, description="a text of 1 to 64 characters")]
Long = Annotated[str, Meta(min_length=1, max_length=256, description="a text of 1 to 256 characters")]
Domain = Annotated[str, Meta(min_length=1, max_length=32, description="the domain code that was agreed")]
Token = Annotated[str, Meta(pattern=r"^([0-9A-F]{32}|[0-9a-f]{32})\Z", description="MD5, 32 hexadecimal digits")]
CardNo = Annotated[str, Meta(pattern=r"^[0-9]{8,20}\Z", description="a card number, 8 to 20 digits")]
Asn = Annotated[str, Meta(pattern=r"^[0-9]{20}\Z", description="the 20 digits of file 15")]
Fen = Annotated[str, Meta(pattern=r"^[0-9]{1,10}\Z", description="an amount in fen, 1 to 10 digits")]
Hex2 = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{2}\Z", description="2 hexadecimal digits")]
Hex4 = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{4}\Z", description="4 hexadecimal digits")]
Hex8 = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{8}\Z", description="8 hexadecimal digits")]
Hex12 = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{12}\Z", description="12 hexadecimal digits")]
Date = Annotated[str, Meta(pattern=r"^[0-9]{8}\Z", description="a date, YYYYMMDD")]
Time = Annotated[str, Meta(pattern=r"^[0-9]{6}\Z", description="a time, HHMMSS")]
TradeType = Annotated[str, Meta(pattern=r"^0[13]\Z", description="01 (load) or 03 (unload)")]
PaymentType = Annotated[str, Meta(pattern=r"^0[123]\Z", description="01 (ALIPAY), 02 (TENPAY) or 03 (CNUNIONPAY)")]
OperateMode = Annotated[str, Meta(pattern=r"^0[12]\Z", description="01 (the phone is the card) or 02 (the terminal)")]
Tac = Annotated[str, Meta(pattern=r"^[0-9]{16}\Z", description="a recharge card's password, 16 digits")]
Password = Annotated[str, Meta(min_length=1, max_length=32, description="a password of 1 to 32 characters")]
