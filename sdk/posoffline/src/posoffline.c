/* The five functions: arguments are checked here, and answers are written here. */
#include "../pos_crypto.h"

#include <string.h>

#include "check.h"
#include "clock.h"
#include "memory.h"
#include "record.h"

static char version[] = "tongka-1.0.0";

char *get_version(void) {
    return version;
}

int init_pos_verify(const char *key_list, const char *card_type_list) {
    config *made;
    if (!crypto_ready())
        return SYSTEM_ERROR;
    if (key_list == NULL || card_type_list == NULL)
        return ILLEGAL_PARAM;
    int result = config_make(key_list, card_type_list, &made);
    if (result == SUCCESS)
        config_install(made);
    return result;
}

int get_key_id(const unsigned char *qrcode) {
    if (qrcode == NULL)
        return ILLEGAL_PARAM;
    if (qrcode[0] >= 0x80)
        return qrcode[8]; /* version, length, 24, service id */
    if (qrcode[0] == 0x54 && (qrcode[1] == 0x01 || qrcode[1] == 0x02))
        qrcode += 2;
    return qrcode[0] == 0x02 ? qrcode[2] : PROTO_UNSUPPORTED;
}

/* --- answers ------------------------------------------------------------------------------------------------------- */

static bool response_is_usable(const INFO_RESPONSE *r) {
    return r->uid != NULL && r->uid_len >= POS_UID_MIN && r->card_no != NULL && r->card_no_len >= POS_CARD_NO_MIN &&
           r->card_data != NULL && r->card_data_len >= POS_CARD_DATA_MIN && r->card_type != NULL &&
           r->card_type_len >= POS_CARD_TYPE_MIN;
}

/* Copy with a NUL behind; there is room. */
static int put(void *to, slice from) {
    memcpy(to, from.at, from.len);
    ((char *)to)[from.len] = '\0';
    return (int)from.len;
}

/*
 * A ministry code's card account has up to 20 digits and its custom data up to 255 bytes, more than the document's
 * buffers hold: a larger buffer gets them whole, a smaller one the last 16 digits, and no data.
 */
static slice account_digits(const unsigned char account[CARD_ACCOUNT_LEN], char digits[2 * CARD_ACCOUNT_LEN], int room) {
    size_t len = 2 * CARD_ACCOUNT_LEN;
    for (size_t i = 0; i < len; i++)
        digits[i] = "0123456789ABCDEF"[account[i / 2] >> (i % 2 ? 0 : 4) & 0x0F];
    while (len > 0 && digits[len - 1] == 'F') /* fill */
        len--;
    size_t cut = len > CARD_NO_MAX && len >= (size_t)room ? len - CARD_NO_MAX : 0;
    return (slice){(unsigned char *)digits + cut, len - cut};
}

static void put_ministry_card(const ride_code *code, INFO_RESPONSE *r) {
    char digits[2 * CARD_ACCOUNT_LEN];
    slice data = code->card_data.len < (size_t)r->card_data_len ? code->card_data : (slice){code->card_data.at, 0};
    r->card_no_len = put(r->card_no, account_digits(code->card_account, digits, r->card_no_len));
    r->card_data_len = put(r->card_data, data);
    r->card_type_len = put(r->card_type, (slice){code->uid, 0});
}

static void put_card(const ride_code *code, INFO_RESPONSE *r) {
    bool plain = memcmp(code->card_type, "ANT00001", CARD_TYPE_LEN) == 0; /* shown as empty (4.1.3.6) */
    r->card_no_len = put(r->card_no, code->card_no);
    r->card_data_len = put(r->card_data, code->card_data);
    r->card_type_len = put(r->card_type, (slice){code->card_type, plain ? 0 : CARD_TYPE_LEN});
}

static void put_info(const ride_code *code, INFO_RESPONSE *r) {
    r->uid_len = put(r->uid, (slice){code->uid, UID_LEN});
    if (code->ministry)
        put_ministry_card(code, r);
    else
        put_card(code, r);
}

/* --- get_qrcode_info ----------------------------------------------------------------------------------------------- */

static int read_info(const INFO_REQUEST *request, INFO_RESPONSE *response) {
    ride_code code;
    if (request == NULL || response == NULL || request->qrcode == NULL || request->qrcode_len < 0 ||
        !response_is_usable(response))
        return ILLEGAL_PARAM;
    int result = parse_code((slice){request->qrcode, (size_t)request->qrcode_len}, &code);
    if (result == SUCCESS)
        put_info(&code, response);
    return result;
}

int get_qrcode_info(INFO_REQUEST *request, INFO_RESPONSE *response) {
    config *held = config_acquire();
    if (held == NULL)
        return NOT_INITIALIZED;
    int result = read_info(request, response);
    config_release(held);
    return result;
}

/* --- verify_qrcode_v2 ---------------------------------------------------------------------------------------------- */

static INFO_RESPONSE info_part(const VERIFY_RESPONSE_V2 *r) {
    return (INFO_RESPONSE){r->uid, r->uid_len, r->card_no, r->card_no_len, r->card_data, r->card_data_len,
                           r->card_type, r->card_type_len};
}

static bool arguments_are_good(const VERIFY_REQUEST_V2 *request, const VERIFY_RESPONSE_V2 *response) {
    if (request == NULL || response == NULL || request->qrcode == NULL || request->qrcode_len < 0 ||
        request->pos_param == NULL || request->amount_cent < 0)
        return false;
    INFO_RESPONSE info = info_part(response);
    return response->record != NULL && response->record_len >= POS_RECORD_MIN && response_is_usable(&info);
}

static int check_code(slice shown, const terms *against, ride_code *code) {
    if (is_ministry(shown) && against->config->authority_count == 0)
        return PROTO_UNSUPPORTED;
    int result = parse_code(shown, code);
    if (result == SUCCESS)
        result = check_signatures(code, against->config);
    if (result == SUCCESS)
        result = check_terms(code, against);
    return result;
}

static uint32_t valid_until(const ride_code *code) {
    uint64_t end = (uint64_t)code->generated + code->valid_s;
    return end > UINT32_MAX ? UINT32_MAX : (uint32_t)end;
}

/* The last check, which uses the code up: whatever could still fail has been done before. */
static int use_up(const ride_code *code, uint32_t now) {
    uint64_t fingerprint;
    if (!code_fingerprint(code, &fingerprint))
        return NO_ENOUGH_MEMORY;
    return remember_code(fingerprint, valid_until(code), now) ? SUCCESS : QRCODE_DUPLICATED;
}

static void put_response(const ride_code *code, size_t record_len, VERIFY_RESPONSE_V2 *response) {
    INFO_RESPONSE info = info_part(response);
    put_info(code, &info);
    response->uid_len = info.uid_len;
    response->card_no_len = info.card_no_len;
    response->card_data_len = info.card_data_len;
    response->card_type_len = info.card_type_len;
    response->record_len = (int)record_len;
}

static int verify(const config *held, const VERIFY_REQUEST_V2 *request, VERIFY_RESPONSE_V2 *response) {
    ride_code code;
    slice pos_param = {(const unsigned char *)request->pos_param, strnlen(request->pos_param, POS_PARAM_MAX + 1)};
    if (pos_param.len > POS_PARAM_MAX || !pos_param_is_good(pos_param))
        return POS_PARAM_ERROR;
    terms against = {held, clock_now(), (uint32_t)request->amount_cent};
    int result = check_code((slice){request->qrcode, (size_t)request->qrcode_len}, &against, &code);
    if (result != SUCCESS)
        return result;
    record_parts parts = {code.raw, {code.uid, UID_LEN}, pos_param, against.now,
                          {(const unsigned char *)version, sizeof version - 1}};
    if (record_text_len(&parts) >= (size_t)response->record_len)
        return ILLEGAL_PARAM;
    char text[2 * 0x0FFF + 1]; /* not yet the caller's buffer: a refusal writes nothing */
    if (!write_record(&parts, text))
        return NO_ENOUGH_MEMORY;
    result = use_up(&code, against.now);
    if (result != SUCCESS)
        return result;
    memcpy(response->record, text, record_text_len(&parts) + 1);
    put_response(&code, record_text_len(&parts), response);
    return SUCCESS;
}

int verify_qrcode_v2(VERIFY_REQUEST_V2 *request, VERIFY_RESPONSE_V2 *response) {
    config *held = config_acquire();
    if (held == NULL)
        return NOT_INITIALIZED;
    int result = arguments_are_good(request, response) ? verify(held, request, response) : ILLEGAL_PARAM;
    config_release(held);
    return result;
}
