#include "record.h"

#include <string.h>

#include "crypto.h"
#include "json.h"

/* --- pos_param ----------------------------------------------------------------------------------------------------- */

static const char *const WANTED[] = {"pos_id", "type", "subject", "record_id"};
enum { WANTED_COUNT = sizeof WANTED / sizeof *WANTED };

/* A member that stands twice counts as it stands last. */
static void read_member(json *j, json_text name, void *context) {
    bool *given = context;
    bool has_text = json_peek(j) == '"';
    const unsigned char *from = j->at;
    json_skip(j);
    has_text = has_text && j->at - from > 2; /* more than the quotes */
    for (int i = 0; i < WANTED_COUNT; i++)
        if (json_is(name, WANTED[i]))
            given[i] = has_text;
}

bool pos_param_is_good(slice text) {
    bool given[WANTED_COUNT] = {false};
    json j = json_begin((const char *)text.at, text.len);
    json_object(&j, read_member, given);
    bool all = json_end(&j);
    for (int i = 0; i < WANTED_COUNT; i++)
        all = all && given[i];
    return all;
}

/* --- the record ---------------------------------------------------------------------------------------------------- */

enum {
    VERSION_2 = 2,
    RECORD_MAX = 0x0FFF,
    U16_LEN = 2,
    U32_LEN = 4,
    /* head, five lengths, time and MAC */
    FRAME_LEN = 6 * U16_LEN + U32_LEN + MD5_LEN
};

static size_t record_len(const record_parts *parts) {
    return FRAME_LEN + parts->code.len + parts->pos_param.len + parts->version.len;
}

size_t record_text_len(const record_parts *parts) {
    return 2 * record_len(parts);
}

static unsigned char *put_u16(unsigned char *to, size_t value) {
    *to++ = (unsigned char)(value >> 8);
    *to++ = (unsigned char)value;
    return to;
}

static unsigned char *put_prefixed(unsigned char *to, slice bytes) {
    to = put_u16(to, bytes.len);
    memcpy(to, bytes.at, bytes.len);
    return to + bytes.len;
}

static unsigned char *put_time(unsigned char *to, uint32_t now) {
    return put_u16(put_u16(put_u16(to, U32_LEN), now >> 16), now & 0xFFFF);
}

static void put_hex(char *to, const unsigned char *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 0x0F];
    }
    *to = '\0';
}

bool write_record(const record_parts *parts, char *out) {
    unsigned char bytes[RECORD_MAX]; /* a code has at most 768 bytes, pos_param 1,024 */
    size_t len = record_len(parts);
    unsigned char *at = put_u16(bytes, VERSION_2 << 12 | (len - U16_LEN));
    at = put_prefixed(at, parts->code);
    at = put_prefixed(at, parts->pos_param);
    at = put_time(at, parts->now);
    at = put_prefixed(at, parts->version);
    at = put_u16(at, MD5_LEN);
    if (!hmac_md5(parts->uid, (slice){bytes, (size_t)(at - bytes)}, at))
        return false;
    put_hex(out, bytes, len);
    return true;
}
