/* The three code formats, read without copying. docs/ridecode.md has the tables; tongka.code.layout is the same. */
#ifndef POS_CODE_H
#define POS_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const unsigned char *at;
    size_t len;
} slice;

enum {
    UID_LEN = 16,
    CARD_TYPE_LEN = 8,
    CARD_NO_MAX = 16,
    CARD_DATA_MAX = 64,
    CARD_ACCOUNT_LEN = 10,
    KEY_LEN = 33,         /* a compressed point of secp256k1 or SM2 */
    USER_KEY_192_LEN = 25 /* of secp192k1 */
};

enum algorithm { ALGORITHM_SECP256K1 = 1, ALGORITHM_SM2 = 2 };

typedef struct {
    slice raw;              /* as shown, with an operator's prefix */
    bool ministry;
    uint8_t algorithm;      /* of the master signature; not set for a ministry code */
    uint8_t key_id;         /* or the CA's index */
    slice credential;       /* stays the same while generated codes change */
    slice vouched;          /* the credential with all that was signed before the phone signs */
    slice master_signature; /* the ministry issuer's */
    slice user_signed;
    slice user_signature;
    slice user_key;
    const unsigned char *uid;
    const unsigned char *card_type; /* NULL for a ministry code */
    slice card_no;                  /* text; a ministry code has card_account instead */
    const unsigned char *card_account;
    slice card_data;
    uint32_t expires_at;
    uint32_t valid_s;
    uint32_t limit_fen;
    uint32_t generated;
    slice certificate_signed; /* what follows is set for a ministry code only */
    slice certificate_signature;
    slice issuer_key;
    const unsigned char *certificate_expires; /* BCD MMYY */
} ride_code;

/* Whether the first byte says so; false for an empty code. */
bool is_ministry(slice code);

/* SUCCESS, MALFORMED_QRCODE or PROTO_UNSUPPORTED. */
int parse_code(slice code, ride_code *out);

#endif
