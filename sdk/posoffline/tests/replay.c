/*
 * Reads commands, one a line, calls the library, and prints what it answers. All buffers are exactly as large as said,
 * each in an allocation of its own, so that a sanitizer sees a single byte too many.
 *
 *   init KEY_LIST_HEX CARD_TYPES_HEX
 *   verify NOW AMOUNT RECORD_ROOM POS_PARAM_HEX CODE_HEX     -> result uid record card_no card_data_hex card_type
 *   info CODE_HEX                                            -> result uid - card_no card_data_hex card_type
 *   key CODE_HEX                                             -> result
 *
 * Hex fields and answers end with a full stop, so that empty ones can be seen.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../pos_crypto.h"

void pos_test_set_clock(uint32_t unix_s);

static unsigned char *exact(size_t len) {
    unsigned char *bytes = malloc(len > 0 ? len : 1);
    if (bytes == NULL)
        abort();
    return bytes;
}

static unsigned char *from_hex(const char *hex, size_t *len, int with_nul) {
    unsigned byte;
    *len = strlen(hex) / 2; /* the full stop does not count */
    unsigned char *bytes = exact(*len + (size_t)with_nul);
    for (size_t i = 0; i < *len && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
        bytes[i] = (unsigned char)byte;
    if (with_nul)
        bytes[*len] = '\0';
    return bytes;
}

static char *next(void) {
    char *word = strtok(NULL, " \n");
    if (word == NULL)
        abort();
    return word;
}

static char *next_text(void) {
    size_t len;
    return (char *)from_hex(next(), &len, 1);
}

static void print_answer(int result, const VERIFY_RESPONSE_V2 *r) {
    if (result != SUCCESS) {
        printf("%d\n", result);
        return;
    }
    if (r->uid_len != (int)strlen(r->uid) || r->record_len != (int)strlen(r->record) ||
        r->card_no_len != (int)strlen(r->card_no) || r->card_type_len != (int)strlen(r->card_type))
        abort();
    printf("%d %s. %s. %s. ", result, r->uid, r->record, r->card_no);
    for (int i = 0; i < r->card_data_len; i++)
        printf("%02x", r->card_data[i]);
    printf(". %s.\n", r->card_type);
}

static VERIFY_RESPONSE_V2 make_response(int record_room) {
    return (VERIFY_RESPONSE_V2){
        (char *)exact(POS_UID_MIN),     POS_UID_MIN,     (char *)exact((size_t)record_room), record_room,
        (char *)exact(POS_CARD_NO_MIN), POS_CARD_NO_MIN, exact(POS_CARD_DATA_MIN),           POS_CARD_DATA_MIN,
        (char *)exact(POS_CARD_TYPE_MIN), POS_CARD_TYPE_MIN,
    };
}

static void free_response(VERIFY_RESPONSE_V2 *r) {
    free(r->uid);
    free(r->record);
    free(r->card_no);
    free(r->card_data);
    free(r->card_type);
}

static void do_init(void) {
    char *keys = next_text(), *types = next_text();
    printf("%d\n", init_pos_verify(keys, types));
    free(keys);
    free(types);
}

static void do_verify(void) {
    pos_test_set_clock((uint32_t)strtoul(next(), NULL, 10));
    int amount = atoi(next());
    VERIFY_RESPONSE_V2 response = make_response(atoi(next()));
    char *pos_param = next_text();
    size_t len;
    unsigned char *code = from_hex(next(), &len, 0);
    VERIFY_REQUEST_V2 request = {code, (int)len, pos_param, amount};
    print_answer(verify_qrcode_v2(&request, &response), &response);
    free(code);
    free(pos_param);
    free_response(&response);
}

static void do_info(void) {
    size_t len;
    unsigned char *code = from_hex(next(), &len, 0);
    VERIFY_RESPONSE_V2 all = make_response(POS_RECORD_MIN);
    INFO_REQUEST request = {code, (int)len};
    INFO_RESPONSE response = {all.uid, all.uid_len, all.card_no, all.card_no_len,
                              all.card_data, all.card_data_len, all.card_type, all.card_type_len};
    int result = get_qrcode_info(&request, &response);
    all.record[0] = '\0';
    all.record_len = 0;
    all.uid_len = response.uid_len;
    all.card_no_len = response.card_no_len;
    all.card_data_len = response.card_data_len;
    all.card_type_len = response.card_type_len;
    print_answer(result, &all);
    free(code);
    free_response(&all);
}

static void do_key(void) {
    size_t len;
    unsigned char *code = from_hex(next(), &len, 0);
    printf("%d\n", get_key_id(code));
    free(code);
}

int main(void) {
    static char line[1 << 20];
    while (fgets(line, sizeof line, stdin) != NULL) {
        const char *command = strtok(line, " \n");
        if (command != NULL && strcmp(command, "init") == 0)
            do_init();
        else if (command != NULL && strcmp(command, "verify") == 0)
            do_verify();
        else if (command != NULL && strcmp(command, "info") == 0)
            do_info();
        else if (command != NULL && strcmp(command, "key") == 0)
            do_key();
        else
            return 2;
        fflush(stdout);
    }
    return 0;
}
