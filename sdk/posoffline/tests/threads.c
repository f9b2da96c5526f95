/*
 * Eight threads show the same codes while a ninth initialises again and again: each code is let through exactly once,
 * and every other answer is that it was seen. Reads the lines of tests/replay.c: one init, then verify lines.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../pos_crypto.h"

void pos_test_set_clock(uint32_t unix_s);

enum { CODES_MAX = 256, CODE_MAX = 1024, TEXT_MAX = 1 << 16, THREADS = 8 };

static unsigned char codes[CODES_MAX][CODE_MAX];
static int lengths[CODES_MAX], count;
static _Atomic int let_through[CODES_MAX], surprises, running = THREADS;
static char key_list[TEXT_MAX], card_types[TEXT_MAX];

static int from_hex(const char *hex, unsigned char *out) {
    unsigned byte;
    int len = 0;
    while (hex[0] != '.' && sscanf(hex, "%2x", &byte) == 1) {
        out[len++] = (unsigned char)byte;
        hex += 2;
    }
    return len;
}

static int show(int i) {
    char uid[POS_UID_MIN], record[POS_RECORD_MIN], card_no[POS_CARD_NO_MIN], card_type[POS_CARD_TYPE_MIN];
    unsigned char card_data[POS_CARD_DATA_MIN];
    VERIFY_REQUEST_V2 request = {codes[i], lengths[i],
                                 "{\"pos_id\":\"1\",\"type\":\"SINGLE\",\"subject\":\"s\",\"record_id\":\"1\"}", 0};
    VERIFY_RESPONSE_V2 response = {uid, sizeof uid, record, sizeof record, card_no, sizeof card_no,
                                   card_data, sizeof card_data, card_type, sizeof card_type};
    return verify_qrcode_v2(&request, &response);
}

static void *gate(void *start) {
    for (int i = 0; i < count; i++) {
        int at = (i + *(int *)start) % count, result = show(at);
        if (result == SUCCESS)
            let_through[at]++;
        else if (result != QRCODE_DUPLICATED)
            surprises++;
    }
    running--;
    return NULL;
}

static void *updater(void *rounds) {
    for (; running > 0; ++*(int *)rounds)
        if (init_pos_verify(key_list, card_types) != SUCCESS || init_pos_verify("[]", "[]") != ILLEGAL_PARAM)
            surprises++;
    return NULL;
}

static void read_line(char *line) {
    char *words[6] = {0}, *word = strtok(line, " \n");
    for (int i = 0; i < 6 && word != NULL; i++, word = strtok(NULL, " \n"))
        words[i] = word;
    if (strcmp(words[0], "init") == 0) {
        from_hex(words[1], (unsigned char *)key_list);
        from_hex(words[2], (unsigned char *)card_types);
    } else if (count < CODES_MAX) {
        pos_test_set_clock((uint32_t)strtoul(words[1], NULL, 10));
        lengths[count] = from_hex(words[5], codes[count]);
        count++;
    }
}

int main(void) {
    static char line[2 * TEXT_MAX];
    pthread_t gates[THREADS], update;
    int starts[THREADS], rounds = 0;
    while (fgets(line, sizeof line, stdin) != NULL)
        read_line(line);
    if (count == 0 || show(0) != NOT_INITIALIZED || init_pos_verify(key_list, card_types) != SUCCESS)
        return 1;
    for (int i = 0; i < THREADS; i++) {
        starts[i] = i * count / THREADS;
        pthread_create(&gates[i], NULL, gate, &starts[i]);
    }
    pthread_create(&update, NULL, updater, &rounds);
    for (int i = 0; i < THREADS; i++)
        pthread_join(gates[i], NULL);
    pthread_join(update, NULL);
    for (int i = 0; i < count; i++)
        surprises += let_through[i] != 1;
    printf("%d codes, %d threads, %d initialisations: %d surprises\n", count, THREADS, rounds, surprises);
    return surprises == 0 ? 0 : 1;
}
