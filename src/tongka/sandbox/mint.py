"""A mint of ride codes with throw-away keys: master keys, the ministry's CA, an issuer and users, all in memory.

The sandbox issues with it, and tests, fuzzer and benchmarks make their codes with it. Whoever holds a mint can make
any code that its key list verifies: production has its keys in a HSM and never builds one.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from tongka.code.issue import (
    Signer,
    make_code,
    make_ministry_code,
    secp192k1_signer,
    secp256k1_signer,
    sign_certificate,
    sign_credential,
    sm2_der_signer,
    sm2_signer,
)
from tongka.code.keys import MASTER_KEYS, MasterKey, MasterKeys
from tongka.code.layout import Algorithm, Certificate, Credential, MinistryCode
from tongka.crypto import sm2
from tongka.keys import RideKey, RideKeyKind
from tongka.keys.rides import RideSecrets

UPPER_HALF: Final = frozenset(range(MASTER_KEYS // 2, MASTER_KEYS))
"""Key ids to sign with SM2 where both algorithms are wanted."""

CA_INDEX: Final = 1
AUTHORISED_FOR_S: Final = 30 * 86400


@dataclass(frozen=True, slots=True)
class Mint:
    """Every secret that codes of the three formats need; derived from one seed, so that a restart finds them again.

    Attributes:
        seed: 32 random bytes.
        sm2_key_ids: master keys that sign with SM2. None does by default: verifiers in the field know secp256k1.

    """

    seed: bytes = field(repr=False)
    sm2_key_ids: frozenset[int] = frozenset()

    @property
    def secrets(self) -> RideSecrets:
        return RideSecrets(self.seed)

    def _sm2(self, kind: RideKeyKind, name: str = "") -> sm2.PrivateKey:
        return self.secrets.sm2(RideKey(kind, name))

    def user_secret(self, user_id: str) -> bytes:
        return self.secrets.secret(RideKey(RideKeyKind.USER, user_id))

    def keys(self) -> MasterKeys:
        """What gates get."""
        masters = {key_id: MasterKey(self._master_point(key_id)) for key_id in range(MASTER_KEYS)}
        return MasterKeys(masters, {CA_INDEX: MasterKey(self._sm2(RideKeyKind.AUTHORITY).public_key.compressed)})

    def _master_point(self, key_id: int) -> bytes:
        if key_id in self.sm2_key_ids:
            return self._sm2(RideKeyKind.MASTER, str(key_id)).public_key.compressed
        return self.secrets.public_key(RideKey(RideKeyKind.MASTER, str(key_id)))

    def credential(self, user_id: str, now: int, **changes: Any) -> Credential:
        """A user's, with everything a ride needs; `changes` are fields of `Credential`."""
        key = self.secrets.public_key(RideKey(RideKeyKind.USER, user_id))
        usual = Credential(user_id=user_id, expires_at=now + AUTHORISED_FOR_S, limit_fen=2000, user_key=key)
        return replace(usual, **changes)

    def master_signer(self, key_id: int) -> Signer:
        if key_id in self.sm2_key_ids:
            return sm2_der_signer(self._sm2(RideKeyKind.MASTER, str(key_id)))
        return secp256k1_signer(self.secrets.secret(RideKey(RideKeyKind.MASTER, str(key_id))))

    def user_signer(self, user_id: str) -> Signer:
        return secp192k1_signer(self.user_secret(user_id))

    def code(self, credential: Credential, generated: int, *, key_id: int = 0, prefix: bytes = b"") -> bytes:
        """An Alipay code, or an operator's behind `prefix`."""
        algorithm = Algorithm.SM2 if key_id in self.sm2_key_ids else Algorithm.SECP256K1
        held = sign_credential(credential, algorithm=algorithm, key_id=key_id, master=self.master_signer(key_id))
        return make_code(held, generated=generated, user=self.user_signer(credential.user_id), prefix=prefix)

    def certificate(self, **changes: Any) -> bytes:
        """The issuer's, signed by the CA; `changes` are fields of `Certificate`."""
        usual = Certificate(
            service_id=bytes.fromhex("01000000"),
            ca_index=CA_INDEX,
            issuer=bytes.fromhex("03105840"),
            expires=bytes.fromhex("1299"),
            serial=bytes.fromhex("000001"),
            key=self._sm2(RideKeyKind.ISSUER).public_key.compressed,
            signature=bytes(sm2.SIGNATURE_LEN),
        )
        return sign_certificate(replace(usual, **changes), sm2_signer(self._sm2(RideKeyKind.AUTHORITY)))

    def ministry_code(self, user_id: str, generated: int, **changes: Any) -> bytes:
        """A ministry code; `changes` are fields of `MinistryCode`."""
        usual = MinistryCode(
            length=0,
            certificate=changes.pop("certificate", None) or self.certificate(),
            account=user_id,
            card_account=bytes(10),
            card_issuer=bytes.fromhex("03105840"),
            platform=bytes.fromhex("03105840"),
            account_type=0,
            limit_fen=2000,
            user_key=self._sm2(RideKeyKind.MINISTRY_USER, user_id).public_key.compressed,
            expires_at=generated + AUTHORISED_FOR_S,
            valid_s=600,
            issuer_signature=bytes(sm2.SIGNATURE_LEN),
            generated=generated,
            user_signature=bytes(sm2.SIGNATURE_LEN),
        )
        contents = replace(usual, **changes)
        return make_ministry_code(contents, issuer=self.issuer_signer(), user=self.ministry_user_signer(user_id))

    def issuer_signer(self) -> Signer:
        return sm2_signer(self._sm2(RideKeyKind.ISSUER))

    def ministry_user_signer(self, user_id: str) -> Signer:
        return sm2_signer(self._sm2(RideKeyKind.MINISTRY_USER, user_id))
