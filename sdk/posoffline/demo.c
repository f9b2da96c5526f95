/*
 * How a gate uses libposoffline: demo KEY_LIST.json CARD_TYPES.json CODE_HEX [AMOUNT_FEN]
 *
 * The key list is what alipay.commerce.transport.offlinepay.key.query answers under "keys"; fetch it at least every six
 * months and initialise again whenever it changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pos_crypto.h"

static char *read_file(const char *path) {
    static const size_t limit = 1 << 20;
    FILE *file = fopen(path, "rb");
    char *text = malloc(limit + 1);
    if (file == NULL || text == NULL) {
        perror(path);
        exit(2);
    }
    text[fread(text, 1, limit, file)] = '\0';
    fclose(file);
    return text;
}

static int read_hex(const char *hex, unsigned char *out, size_t room) {
    size_t len = strlen(hex) / 2;
    unsigned byte;
    if (len > room)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return -1;
        out[i] = (unsigned char)byte;
    }
    return (int)len;
}

static void init_pos_verify_demo(const char *key_list_path, const char *card_types_path) {
    char *key_list = read_file(key_list_path), *card_types = read_file(card_types_path);
    int result = init_pos_verify(key_list, card_types);
    printf("libposoffline %s, init_pos_verify: %d\n", get_version(), result);
    free(key_list);
    free(card_types);
    if (result != SUCCESS)
        exit(1);
}

static int check_qrcode_demo(const unsigned char *code, int code_len, int amount_fen) {
    char uid[POS_UID_MIN], record[POS_RECORD_MIN], card_no[POS_CARD_NO_MIN], card_type[POS_CARD_TYPE_MIN];
    unsigned char card_data[POS_CARD_DATA_MIN];
    VERIFY_REQUEST_V2 request = {
        code, code_len,
        "{\"pos_id\":\"sh001\",\"type\":\"SINGLE\",\"subject\":\"bus192\",\"record_id\":\"000001\"}",
        amount_fen,
    };
    VERIFY_RESPONSE_V2 response = {
        uid, sizeof uid, record, sizeof record, card_no, sizeof card_no,
        card_data, sizeof card_data, card_type, sizeof card_type,
    };
    int result = verify_qrcode_v2(&request, &response);
    printf("verify_qrcode_v2: %d (master key %d)\n", result, get_key_id(code));
    if (result == SUCCESS) /* store the record, open the gate */
        printf("uid %s\ncard type %s\ncard no %s\nrecord %s\n", uid, card_type[0] ? card_type : "(plain bus payment)",
               card_no, record);
    return result;
}

int main(int argc, char **argv) {
    unsigned char code[1024];
    if (argc < 4) {
        fprintf(stderr, "usage: %s KEY_LIST.json CARD_TYPES.json CODE_HEX [AMOUNT_FEN]\n", argv[0]);
        return 2;
    }
    int code_len = read_hex(argv[3], code, sizeof code);
    if (code_len <= 0) {
        fprintf(stderr, "%s: the code is hex of at most %zu bytes\n", argv[0], sizeof code);
        return 2;
    }
    init_pos_verify_demo(argv[1], argv[2]);
    return check_qrcode_demo(code, code_len, argc > 4 ? atoi(argv[4]) : 0) == SUCCESS ? 0 : 1;
}
