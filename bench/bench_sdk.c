/*
 * What libposoffline adds to the two verifications that a code needs, measured in one run on the same libraries.
 * Driven by bench/sdk.py, which makes the codes, compiles this file and judges the figures.
 *
 *   bench_sdk time KEY_LIST CODES      two lines of hex for each rider: a first code, and a later one
 *   bench_sdk memory KEY_LIST RIDERS   for each rider hex of: secret, and a signed code with validity 65535 s
 *
 * "bare" is secp256k1_ecdsa_verify and ECDSA_verify over the same bytes: DER parsed, the user's compressed key decoded,
 * SHA-1 computed, and nothing else; the master key is ready. The four measurements of a rider follow each other, so
 * that a noisy machine disturbs all alike.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>
#include <secp256k1.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pos_crypto.h"

enum { CODE_MAX = 512, RIDERS_MAX = 20000 };

typedef struct {
    unsigned char bytes[CODE_MAX];
    size_t len;
} code;

static double rounds[4][RIDERS_MAX];
static EC_GROUP *group;
static secp256k1_pubkey master;

static void must(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "bench_sdk: %s\n", what);
        exit(1);
    }
}

static double now_us(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static size_t from_hex(const char *hex, unsigned char *out, size_t room) {
    size_t len = strspn(hex, "0123456789abcdefABCDEF") / 2;
    unsigned byte;
    must(len <= room, "a line is too long");
    for (size_t i = 0; i < len && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
        out[i] = (unsigned char)byte;
    return len;
}

static int read_line(FILE *from, unsigned char *out, size_t room, size_t *len) {
    static char line[4 * CODE_MAX];
    if (fgets(line, sizeof line, from) == NULL)
        return 0;
    *len = from_hex(line, out, room);
    return 1;
}

/* --- the two sides ------------------------------------------------------------------------------------------------- */

static int ours(const code *c) {
    char uid[POS_UID_MIN], record[POS_RECORD_MIN], card_no[POS_CARD_NO_MIN], card_type[POS_CARD_TYPE_MIN];
    unsigned char card_data[POS_CARD_DATA_MIN];
    VERIFY_REQUEST_V2 request = {
        c->bytes, (int)c->len,
        "{\"pos_id\":\"sh001\",\"type\":\"SINGLE\",\"subject\":\"bus192\",\"record_id\":\"000001\"}", 200};
    VERIFY_RESPONSE_V2 response = {uid, sizeof uid, record, sizeof record, card_no, sizeof card_no,
                                   card_data, sizeof card_data, card_type, sizeof card_type};
    return verify_qrcode_v2(&request, &response);
}

static int bare_master(const code *c) {
    const unsigned char *credential = c->bytes + 4, *signature = credential + c->bytes[3];
    unsigned char digest[32] = {0};
    secp256k1_ecdsa_signature parsed;
    SHA1(credential, c->bytes[3], digest + 12);
    if (!secp256k1_ecdsa_signature_parse_der(secp256k1_context_static, &parsed, signature + 1, signature[0]))
        return 0;
    secp256k1_ecdsa_signature_normalize(secp256k1_context_static, &parsed, &parsed);
    return secp256k1_ecdsa_verify(secp256k1_context_static, &parsed, digest, &master);
}

static size_t user_signed_len(const code *c) {
    size_t at = 4u + c->bytes[3];
    return at + 1u + c->bytes[at] + 5u;
}

static int bare_user(const code *c) {
    size_t len = user_signed_len(c);
    unsigned char digest[20];
    SHA1(c->bytes, len, digest);
    EC_KEY *key = EC_KEY_new();
    EC_POINT *point = EC_POINT_new(group);
    EC_KEY_set_group(key, group);
    int good = EC_POINT_oct2point(group, point, c->bytes + 40, 25, NULL) == 1 && EC_KEY_set_public_key(key, point) == 1 &&
               ECDSA_verify(0, digest, sizeof digest, c->bytes + len + 1, c->bytes[len], key) == 1;
    EC_POINT_free(point);
    EC_KEY_free(key);
    return good;
}

/* --- time ---------------------------------------------------------------------------------------------------------- */

static int ascending(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[count / 2];
}

static void measure(const code *first, const code *later, int i) {
    double start = now_us();
    int good = bare_master(first) & bare_user(first);
    double bare_two = now_us();
    int cold = ours(first);
    double cold_end = now_us();
    good &= bare_user(later);
    double bare_one = now_us();
    int known = ours(later);
    double end = now_us();
    must(good && cold == SUCCESS && known == SUCCESS, "a code does not verify");
    rounds[0][i] = bare_two - start;
    rounds[1][i] = cold_end - bare_two;
    rounds[2][i] = bare_one - cold_end;
    rounds[3][i] = end - bare_one;
}

static void time_riders(FILE *codes) {
    code first, later;
    int count = 0;
    while (count < RIDERS_MAX && read_line(codes, first.bytes, CODE_MAX, &first.len) &&
           read_line(codes, later.bytes, CODE_MAX, &later.len))
        measure(&first, &later, count++);
    for (int side = 0; side < 4; side++)
        printf("%.2f ", median(rounds[side], count));
    printf("%d\n", count);
}

/* --- memory -------------------------------------------------------------------------------------------------------- */

static long resident_kib(void) {
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        sscanf(line, "RssAnon: %ld", &kib);
    if (status != NULL)
        fclose(status);
    return kib;
}

static EC_KEY *user_key(const unsigned char *secret, size_t len) {
    EC_KEY *key = EC_KEY_new();
    BIGNUM *number = BN_bin2bn(secret, (int)len, NULL);
    must(EC_KEY_set_group(key, group) == 1 && EC_KEY_set_private_key(key, number) == 1, "a secret is not taken");
    BN_clear_free(number);
    return key;
}

/* The same credential's code, generated at another second. */
static void sign_again(code *c, uint32_t generated, EC_KEY *key) {
    size_t len = user_signed_len(c);
    unsigned char digest[20];
    unsigned signature_len = 0;
    for (size_t i = 0; i < 4; i++)
        c->bytes[len - 1 - i] = (unsigned char)(generated >> 8 * i);
    SHA1(c->bytes, len, digest);
    must(ECDSA_sign(0, digest, sizeof digest, c->bytes + len + 1, &signature_len, key) == 1, "libcrypto did not sign");
    c->bytes[len] = (unsigned char)signature_len;
    c->len = len + 1 + signature_len;
}

static int ride(code *c, EC_KEY *key, int times) {
    uint32_t now = (uint32_t)time(NULL);
    int good = 0;
    for (int i = 0; i < times; i++) {
        sign_again(c, now - 60000u + (uint32_t)i, key);
        good += ours(c) == SUCCESS;
    }
    return good;
}

static void fill_memory(FILE *riders) {
    static code c;
    unsigned char secret[64];
    size_t secret_len;
    int remembered = 0;
    long before = 0;
    while (read_line(riders, secret, sizeof secret, &secret_len) && read_line(riders, c.bytes, CODE_MAX, &c.len)) {
        EC_KEY *key = user_key(secret, secret_len);
        if (remembered == 0) { /* everything that is loaded lazily is there after a first ride */
            remembered += ride(&c, key, 1);
            before = resident_kib();
        }
        remembered += ride(&c, key, 50000); /* the first of them, shown again, does not count */
        EC_KEY_free(key);
    }
    printf("%d %ld\n", remembered, resident_kib() - before);
}

/* ------------------------------------------------------------------------------------------------------------------- */

static void begin(const char *path) {
    static char key_list[1 << 16];
    FILE *file = fopen(path, "r");
    must(file != NULL, "no key list");
    key_list[fread(key_list, 1, sizeof key_list - 1, file)] = '\0';
    fclose(file);
    unsigned char key[33];
    from_hex(strstr(key_list, "\"public_key\":\"") + 14, key, sizeof key);
    must(secp256k1_ec_pubkey_parse(secp256k1_context_static, &master, key, sizeof key), "the first key");
    must(init_pos_verify(key_list, "[\"ANT00001\"]") == SUCCESS, "init_pos_verify");
    group = EC_GROUP_new_by_curve_name(NID_secp192k1);
}

int main(int argc, char **argv) {
    must(argc == 4, "usage: bench_sdk time|memory KEY_LIST FILE");
    begin(argv[2]);
    FILE *file = fopen(argv[3], "r");
    must(file != NULL, "no file of codes");
    if (strcmp(argv[1], "time") == 0)
        time_riders(file);
    else
        fill_memory(file);
    fclose(file);
    return 0;
}
