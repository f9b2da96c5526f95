/*
 * libcrypto deprecates the EC_KEY functions in favour of EVP_PKEY, whose import of a key costs 30 us more for each
 * code: every code brings a key of its own, so that would be an eighth of a verification.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <pthread.h>
#include <string.h>

#include "../pos_crypto.h"

enum { SHA1_LEN = 20, RAW_SIGNATURE_LEN = 64, RAW_HALF = 32, DER_MAX = 72 };

static const char SM2_DEFAULT_ID[] = "1234567812345678";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EC_GROUP *group_192, *group_sm2;
static EVP_MD *md_sha1, *md_sha256, *md_sm3;

static void fetch(void) {
    group_192 = EC_GROUP_new_by_curve_name(NID_secp192k1);
    group_sm2 = EC_GROUP_new_by_curve_name(NID_sm2);
    md_sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    md_sm3 = EVP_MD_fetch(NULL, "SM3", NULL);
}

bool crypto_ready(void) {
    pthread_once(&once, fetch);
    return group_192 && group_sm2 && md_sha1 && md_sha256 && md_sm3;
}

/* --- digests ------------------------------------------------------------------------------------------------------- */

static bool digest(const EVP_MD *md, slice message, unsigned char *out) {
    return EVP_Digest(message.at, message.len, out, NULL, md, NULL) == 1;
}

bool sha256(slice message, unsigned char out[SHA256_LEN]) {
    return digest(md_sha256, message, out);
}

bool hmac_md5(slice key, slice message, unsigned char out[MD5_LEN]) {
    unsigned len = 0;
    return HMAC(EVP_md5(), key.at, (int)key.len, message.at, message.len, out, &len) != NULL && len == MD5_LEN;
}

/* --- secp256k1 ----------------------------------------------------------------------------------------------------- */

bool point_on_secp256k1(const unsigned char key[KEY_LEN], secp256k1_pubkey *out) {
    return secp256k1_ec_pubkey_parse(secp256k1_context_static, out, key, KEY_LEN) == 1;
}

int verify_secp256k1(const secp256k1_pubkey *key, slice signature, slice message) {
    const secp256k1_context *context = secp256k1_context_static;
    unsigned char wide[32] = {0}; /* a shorter digest counts as a number (SEC 1, 4.1.3) */
    secp256k1_ecdsa_signature parsed;
    if (!digest(md_sha1, message, wide + sizeof wide - SHA1_LEN))
        return NO_ENOUGH_MEMORY;
    if (!secp256k1_ecdsa_signature_parse_der(context, &parsed, signature.at, signature.len))
        return MALFORMED_QRCODE;
    secp256k1_ecdsa_signature_normalize(context, &parsed, &parsed); /* both signs of s are valid in these codes */
    return secp256k1_ecdsa_verify(context, &parsed, wide, key) ? SUCCESS : MALFORMED_QRCODE;
}

/* --- secp192k1 ----------------------------------------------------------------------------------------------------- */

static int ecdsa_verdict(EC_KEY *holder, EC_POINT *point, slice key, slice signature, const unsigned char *hash) {
    if (holder == NULL || point == NULL || EC_KEY_set_group(holder, group_192) != 1)
        return NO_ENOUGH_MEMORY;
    if (EC_POINT_oct2point(group_192, point, key.at, key.len, NULL) != 1)
        return MALFORMED_QRCODE;
    if (EC_KEY_set_public_key(holder, point) != 1)
        return NO_ENOUGH_MEMORY;
    bool good = ECDSA_verify(0, hash, SHA1_LEN, signature.at, (int)signature.len, holder) == 1;
    return good ? SUCCESS : MALFORMED_QRCODE;
}

int verify_secp192k1(slice key, slice signature, slice message) {
    unsigned char hash[SHA1_LEN];
    if (!digest(md_sha1, message, hash))
        return NO_ENOUGH_MEMORY;
    ERR_set_mark(); /* the caller's own errors stay in the queue, ours do not */
    EC_KEY *holder = EC_KEY_new();
    EC_POINT *point = EC_POINT_new(group_192);
    int result = ecdsa_verdict(holder, point, key, signature, hash);
    EC_POINT_free(point);
    EC_KEY_free(holder);
    ERR_pop_to_mark();
    return result;
}

/* --- SM2 ----------------------------------------------------------------------------------------------------------- */

bool point_on_sm2(const unsigned char key[KEY_LEN]) {
    ERR_set_mark();
    EC_POINT *point = EC_POINT_new(group_sm2);
    bool compressed = key[0] == POINT_CONVERSION_COMPRESSED || key[0] == POINT_CONVERSION_COMPRESSED + 1;
    bool good = point && compressed && EC_POINT_oct2point(group_sm2, point, key, KEY_LEN, NULL) == 1;
    EC_POINT_free(point);
    ERR_pop_to_mark();
    return good;
}

/* An EVP_PKEY of a compressed point; NULL if it is none. */
static EVP_PKEY *sm2_key(slice key) {
    char curve[] = "SM2";
    OSSL_PARAM parts[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)key.at, key.len),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *made = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "SM2", NULL);
    if (context != NULL && EVP_PKEY_fromdata_init(context) == 1)
        EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, parts);
    EVP_PKEY_CTX_free(context);
    return made;
}

static int sm2_verdict(EVP_MD_CTX *state, EVP_PKEY_CTX *context, EVP_PKEY *key, slice signature, slice message) {
    if (state == NULL || context == NULL ||
        EVP_PKEY_CTX_set1_id(context, SM2_DEFAULT_ID, sizeof SM2_DEFAULT_ID - 1) != 1)
        return NO_ENOUGH_MEMORY;
    EVP_MD_CTX_set_pkey_ctx(state, context);
    if (EVP_DigestVerifyInit(state, NULL, md_sm3, NULL, key) != 1)
        return NO_ENOUGH_MEMORY;
    bool good = EVP_DigestVerify(state, signature.at, signature.len, message.at, message.len) == 1;
    return good ? SUCCESS : MALFORMED_QRCODE;
}

static int verify_with_sm2_key(EVP_PKEY *key, slice signature, slice message) {
    if (key == NULL)
        return MALFORMED_QRCODE;
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    int result = sm2_verdict(state, context, key, signature, message);
    EVP_MD_CTX_free(state);
    EVP_PKEY_CTX_free(context);
    return result;
}

int verify_sm2_der(slice key, slice signature, slice message) {
    if (signature.len == 0) /* for EVP_DigestVerify an empty signature is a usage error; for us it is a bad one */
        return MALFORMED_QRCODE;
    ERR_set_mark();
    EVP_PKEY *held = sm2_key(key);
    int result = verify_with_sm2_key(held, signature, message);
    EVP_PKEY_free(held);
    ERR_pop_to_mark();
    return result;
}

/* SEQUENCE { INTEGER r, INTEGER s }; 0 if memory ran out. */
static size_t der_of_raw(const unsigned char raw[RAW_SIGNATURE_LEN], unsigned char out[DER_MAX]) {
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, RAW_HALF, NULL), *s = BN_bin2bn(raw + RAW_HALF, RAW_HALF, NULL);
    int len = 0;
    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
    } else {
        len = i2d_ECDSA_SIG(pair, &out);
    }
    ECDSA_SIG_free(pair);
    return len > 0 ? (size_t)len : 0;
}

int verify_sm2_raw(slice key, slice signature, slice message) {
    unsigned char der[DER_MAX];
    size_t len = der_of_raw(signature.at, der);
    return len > 0 ? verify_sm2_der(key, (slice){der, len}, message) : NO_ENOUGH_MEMORY;
}
