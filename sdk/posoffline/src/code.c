#include "code.h"

#include "../pos_crypto.h"

enum {
    ALIPAY_VERSION = 0x02,
    OPERATOR_MARK = 0x54,
    OPERATOR_FIRST = 0x01,
    OPERATOR_LAST = 0x02,
    MINISTRY_FROM = 0x80,
    TIME_LEN = 4,
    CERTIFICATE_TAG = 0x24,
    CERTIFICATE_FORM = 0x12,
    SIGN_ALGORITHM_SM2 = 0x04,
    SIGNATURE_TAG = 0x15,
    SIGNATURE_LEN = 64
};

/* --- a reader that remembers whether all that was asked for was there ------------------------------------------- */

typedef struct {
    const unsigned char *at;
    const unsigned char *end;
    bool good;
} reader;

static reader read_from(slice from) {
    return (reader){from.at, from.at + from.len, true};
}

static slice take(reader *r, size_t len) {
    static const unsigned char nothing[256]; /* read instead, after a failure; len is at most one byte's worth */
    if (!r->good || len > (size_t)(r->end - r->at)) {
        r->good = false;
        return (slice){nothing, len};
    }
    slice taken = {r->at, len};
    r->at += len;
    return taken;
}

static uint32_t take_number(reader *r, size_t len) {
    slice digits = take(r, len);
    uint32_t number = 0;
    for (size_t i = 0; i < len; i++)
        number = number << 8 | digits.at[i];
    return number;
}

static slice take_prefixed(reader *r) {
    size_t len = take_number(r, 1);
    return take(r, len);
}

static void expect(reader *r, uint32_t value) {
    if (take_number(r, 1) != value)
        r->good = false;
}

static slice take_text(reader *r, slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < 0x20 || text.at[i] > 0x7E)
            r->good = false;
    return text;
}

static slice between(const unsigned char *from, const unsigned char *to) {
    return (slice){from, (size_t)(to - from)};
}

static bool at_end(const reader *r) {
    return r->good && r->at == r->end;
}

/* --- Alipay and operator ------------------------------------------------------------------------------------------ */

static bool parse_credential(ride_code *out) {
    reader r = read_from(out->credential);
    out->uid = take_text(&r, take(&r, UID_LEN)).at;
    out->expires_at = take_number(&r, 4);
    out->valid_s = take_number(&r, 2);
    out->limit_fen = take_number(&r, 2);
    take(&r, 4 + 4 + 4); /* identity bits, institution, reserved */
    out->user_key = take(&r, USER_KEY_192_LEN);
    out->card_type = take_text(&r, take(&r, CARD_TYPE_LEN)).at;
    out->card_no = take_text(&r, take_prefixed(&r));
    out->card_data = take_prefixed(&r);
    return at_end(&r) && out->card_no.len <= CARD_NO_MAX && out->card_data.len <= CARD_DATA_MAX;
}

static int parse_alipay(slice code, ride_code *out) {
    reader r = read_from(code);
    take(&r, 1); /* the version, already looked at */
    const unsigned char *vouched = r.at;
    out->algorithm = (uint8_t)take_number(&r, 1);
    if (r.good && out->algorithm != ALGORITHM_SECP256K1 && out->algorithm != ALGORITHM_SM2)
        return PROTO_UNSUPPORTED;
    out->key_id = (uint8_t)take_number(&r, 1);
    out->credential = take_prefixed(&r);
    out->master_signature = take_prefixed(&r);
    out->vouched = between(vouched, r.at);
    expect(&r, TIME_LEN);
    out->generated = take_number(&r, TIME_LEN);
    out->user_signed = between(code.at, r.at);
    out->user_signature = take_prefixed(&r);
    return at_end(&r) && parse_credential(out) ? SUCCESS : MALFORMED_QRCODE;
}

/* --- ministry ------------------------------------------------------------------------------------------------------ */

static uint8_t parse_certificate(reader *r, ride_code *out) {
    expect(r, CERTIFICATE_TAG);
    take(r, 4); /* service id */
    out->key_id = (uint8_t)take_number(r, 1);
    const unsigned char *from = r->at;
    expect(r, CERTIFICATE_FORM);
    take(r, 4); /* issuer */
    out->certificate_expires = take(r, 2).at;
    take(r, 3); /* serial */
    uint8_t algorithm = (uint8_t)take_number(r, 1);
    take(r, 2); /* encryption algorithm, parameter */
    expect(r, KEY_LEN);
    out->issuer_key = take(r, KEY_LEN);
    out->certificate_signed = between(from, r->at);
    out->certificate_signature = take(r, SIGNATURE_LEN);
    return algorithm;
}

static void parse_authorisation(reader *r, ride_code *out) {
    out->uid = take_text(r, take(r, UID_LEN)).at;
    out->card_account = take(r, CARD_ACCOUNT_LEN).at;
    take(r, 4 + 4 + 1); /* card issuer, code platform, account type */
    out->limit_fen = take_number(r, 3);
    out->user_key = take(r, KEY_LEN);
    out->expires_at = take_number(r, 4);
    out->valid_s = take_number(r, 2);
    out->card_data = take_prefixed(r);
}

static int parse_ministry(slice code, ride_code *out) {
    reader r = read_from(code);
    out->ministry = true;
    take(&r, 1); /* the version, already looked at */
    size_t rest = take_number(&r, 2);
    const unsigned char *from = r.at;
    uint8_t algorithm = parse_certificate(&r, out);
    parse_authorisation(&r, out);
    out->credential = between(from, r.at);
    expect(&r, SIGNATURE_TAG);
    out->master_signature = take(&r, SIGNATURE_LEN);
    out->vouched = between(from, r.at);
    out->generated = take_number(&r, TIME_LEN);
    out->user_signed = between(code.at, r.at);
    expect(&r, SIGNATURE_TAG);
    out->user_signature = take(&r, SIGNATURE_LEN);
    if (!at_end(&r) || rest != (size_t)(r.end - from))
        return MALFORMED_QRCODE;
    return algorithm == SIGN_ALGORITHM_SM2 ? SUCCESS : PROTO_UNSUPPORTED;
}

/* --- which of them ------------------------------------------------------------------------------------------------- */

bool is_ministry(slice code) {
    return code.len > 0 && code.at[0] >= MINISTRY_FROM;
}

static bool has_prefix(slice code) {
    return code.at[0] == OPERATOR_MARK && code.at[1] >= OPERATOR_FIRST && code.at[1] <= OPERATOR_LAST &&
           code.at[2] == ALIPAY_VERSION;
}

int parse_code(slice code, ride_code *out) {
    *out = (ride_code){.raw = code};
    if (code.len == 0 || (code.at[0] == OPERATOR_MARK && code.len < 3))
        return MALFORMED_QRCODE;
    if (is_ministry(code))
        return parse_ministry(code, out);
    if (code.at[0] == OPERATOR_MARK && has_prefix(code))
        return parse_alipay((slice){code.at + 2, code.len - 2}, out);
    return code.at[0] == ALIPAY_VERSION ? parse_alipay(code, out) : PROTO_UNSUPPORTED;
}
