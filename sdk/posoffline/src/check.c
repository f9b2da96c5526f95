#include "check.h"

#include <string.h>
#include <time.h>

#include "../pos_crypto.h"
#include "memory.h"

enum {
    EARLY_S = 20, /* a code may be this much too new for our clock; a code that is over is refused at once */
    CITY_UTC_OFFSET_S = 8 * 3600 /* Asia/Shanghai has had no summer time since 1991 */
};

/* --- signatures ---------------------------------------------------------------------------------------------------- */

static slice encoded(const master_key *key) {
    return (slice){key->encoded, KEY_LEN};
}

static int verify_master(const ride_code *code, const master_key *key) {
    if (code->algorithm == ALGORITHM_SM2)
        return key->on_sm2 ? verify_sm2_der(encoded(key), code->master_signature, code->credential) : MALFORMED_QRCODE;
    return key->on_secp256k1 ? verify_secp256k1(&key->point, code->master_signature, code->credential)
                             : MALFORMED_QRCODE;
}

static int verify_chain(const ride_code *code, const master_key *authority) {
    int result = verify_sm2_raw(encoded(authority), code->certificate_signature, code->certificate_signed);
    return result == SUCCESS ? verify_sm2_raw(code->issuer_key, code->master_signature, code->credential) : result;
}

/* What the verdict on a credential depends on: the key that is trusted, and all bytes up to the phone's signature. */
static bool credential_digest(const ride_code *code, const master_key *key, unsigned char out[SHA256_LEN]) {
    unsigned char bytes[KEY_LEN + 1024]; /* `vouched` has at most 577 */
    memcpy(bytes, key->encoded, KEY_LEN);
    memcpy(bytes + KEY_LEN, code->vouched.at, code->vouched.len);
    return sha256((slice){bytes, KEY_LEN + code->vouched.len}, out);
}

static int verify_credential(const ride_code *code, const master_key *key) {
    return code->ministry ? verify_chain(code, key) : verify_master(code, key);
}

static int verify_user(const ride_code *code) {
    return code->ministry ? verify_sm2_raw(code->user_key, code->user_signature, code->user_signed)
                          : verify_secp192k1(code->user_key, code->user_signature, code->user_signed);
}

int check_signatures(const ride_code *code, const config *held) {
    const master_key *key = &(code->ministry ? held->authorities : held->masters)[code->key_id];
    unsigned char digest[SHA256_LEN];
    if (!key->listed)
        return QRCODE_KEY_EXPIRED;
    if (!credential_digest(code, key, digest))
        return NO_ENOUGH_MEMORY;
    bool known = credential_is_known(digest);
    int result = known ? SUCCESS : verify_credential(code, key);
    if (result == SUCCESS)
        result = verify_user(code);
    if (result == SUCCESS && !known)
        remember_credential(digest);
    return result;
}

/* --- terms --------------------------------------------------------------------------------------------------------- */

static int two_digits(unsigned char bcd) {
    int high = bcd >> 4, low = bcd & 0x0F;
    return high <= 9 && low <= 9 ? high * 10 + low : -1;
}

/* A certificate is good to the end of its month in the city. */
static int check_certificate(const ride_code *code, uint32_t now) {
    int month = two_digits(code->certificate_expires[0]), year = two_digits(code->certificate_expires[1]);
    time_t local = (time_t)now + CITY_UTC_OFFSET_S;
    struct tm today;
    if (month < 1 || month > 12 || year < 0)
        return MALFORMED_QRCODE;
    if (gmtime_r(&local, &today) == NULL)
        return SYSTEM_ERROR;
    int months_now = (today.tm_year - 100) * 12 + today.tm_mon;
    return months_now > year * 12 + month - 1 ? QRCODE_KEY_EXPIRED : SUCCESS;
}

static int check_freshness(const ride_code *code, uint32_t now) {
    uint64_t end = (uint64_t)code->generated + code->valid_s;
    bool over = now > end, early = code->generated > (uint64_t)now + EARLY_S;
    return over || early ? QRCODE_INFO_EXPIRED : SUCCESS;
}

int check_terms(const ride_code *code, const terms *against) {
    int result = code->ministry ? check_certificate(code, against->now) : SUCCESS;
    if (result != SUCCESS)
        return result;
    if (against->now > code->expires_at)
        return QRCODE_KEY_EXPIRED;
    if (check_freshness(code, against->now) != SUCCESS)
        return QRCODE_INFO_EXPIRED;
    if (against->amount_fen > code->limit_fen)
        return QUOTA_EXCEEDED;
    if (!code->ministry && !config_takes_card_type(against->config, code->card_type))
        return CARDTYPE_UNSUPPORTED;
    return SUCCESS;
}

/* --- identity ------------------------------------------------------------------------------------------------------ */

bool code_fingerprint(const ride_code *code, uint64_t *out) {
    unsigned char bytes[1024], digest[SHA256_LEN]; /* the credential has at most 450 */
    memcpy(bytes, code->credential.at, code->credential.len);
    memcpy(bytes + code->credential.len, &code->generated, sizeof code->generated);
    if (!sha256((slice){bytes, code->credential.len + sizeof code->generated}, digest))
        return false;
    memcpy(out, digest, sizeof *out);
    return true;
}
