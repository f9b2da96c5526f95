#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../pos_crypto.h"
#include "json.h"

/* --- the key list -------------------------------------------------------------------------------------------------- */

enum proto { PROTO_NONE, PROTO_MINISTRY, PROTO_OTHER };

/* One entry as it is read; a member that stands twice counts as it stands last. */
typedef struct {
    long key_id;
    bool has_key;
    unsigned char key[KEY_LEN];
    enum proto proto;
} key_entry;

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) % 16 : -1;
}

static bool read_key(json_text text, unsigned char key[KEY_LEN]) {
    char hex[2 * KEY_LEN];
    size_t len;
    if (!json_decode(text, hex, sizeof hex, &len) || len != sizeof hex)
        return false;
    for (size_t i = 0; i < KEY_LEN; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

static enum proto read_proto(json *j) {
    if (json_peek(j) == 'n') {
        json_skip(j);
        return PROTO_NONE;
    }
    return json_is(json_string(j), "MOT") ? PROTO_MINISTRY : PROTO_OTHER;
}

static void read_member(json *j, json_text name, void *context) {
    key_entry *entry = context;
    if (json_is(name, "key_id"))
        entry->key_id = json_small_integer(j);
    else if (json_is(name, "public_key"))
        entry->has_key = read_key(json_string(j), entry->key);
    else if (json_is(name, "proto"))
        entry->proto = read_proto(j);
    else
        json_skip(j);
}

static bool x_is_zero(const unsigned char key[KEY_LEN]) {
    static const unsigned char nobody[KEY_LEN - 1]; /* on SM2's curve, and what erased storage holds: no key */
    return memcmp(key + 1, nobody, sizeof nobody) == 0;
}

static bool add_key(master_key *into, const key_entry *entry, bool ministry) {
    if (into->listed || x_is_zero(entry->key))
        return false;
    memcpy(into->encoded, entry->key, KEY_LEN);
    into->listed = true;
    into->on_sm2 = point_on_sm2(entry->key);
    into->on_secp256k1 = !ministry && point_on_secp256k1(entry->key, &into->point);
    return into->on_sm2 || into->on_secp256k1;
}

typedef struct {
    config *into;
    int keys;
} key_list_reader;

static bool add_entry(key_list_reader *reader, const key_entry *entry) {
    if (entry->proto == PROTO_OTHER)
        return true; /* for gates of another kind */
    if (entry->key_id < 0 || entry->key_id >= KEY_IDS || !entry->has_key)
        return false;
    bool ministry = entry->proto == PROTO_MINISTRY;
    master_key *table = ministry ? reader->into->authorities : reader->into->masters;
    reader->keys++;
    reader->into->authority_count += ministry;
    return add_key(&table[entry->key_id], entry, ministry);
}

static void read_entry(json *j, void *context) {
    key_entry entry = {.key_id = -1};
    json_object(j, read_member, &entry);
    if (j->good)
        j->good = add_entry(context, &entry);
}

static bool read_list(const char *text, json_element *element, void *context) {
    size_t len = strnlen(text, KEY_LIST_MAX + 1);
    json j = json_begin(text, len);
    if (len > KEY_LIST_MAX)
        return false;
    json_array(&j, element, context);
    return json_end(&j);
}

/* --- the card types ------------------------------------------------------------------------------------------------ */

static void read_card_type(json *j, void *context) {
    config *into = context;
    size_t len = 0;
    json_text text = json_string(j);
    bool fits = into->card_type_count < CARD_TYPES_MAX &&
                json_decode(text, into->card_types[into->card_type_count], CARD_TYPE_LEN, &len);
    if (fits && len == CARD_TYPE_LEN)
        into->card_type_count++;
    else
        j->good = false;
}

bool config_takes_card_type(const config *held, const unsigned char card_type[CARD_TYPE_LEN]) {
    for (int i = 0; i < held->card_type_count; i++)
        if (memcmp(held->card_types[i], card_type, CARD_TYPE_LEN) == 0)
            return true;
    return false;
}

/* --- making, installing, holding ----------------------------------------------------------------------------------- */

static bool fill(config *into, const char *key_list, const char *card_type_list) {
    key_list_reader reader = {.into = into};
    return read_list(key_list, read_entry, &reader) && reader.keys > 0 &&
           read_list(card_type_list, read_card_type, into) && into->card_type_count > 0;
}

int config_make(const char *key_list, const char *card_type_list, config **out) {
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return NO_ENOUGH_MEMORY;
    if (fill(*out, key_list, card_type_list))
        return SUCCESS;
    free(*out);
    return ILLEGAL_PARAM;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static config *in_force;

/* One reference is the installation's own. */
void config_install(config *made) {
    made->readers = 1;
    pthread_mutex_lock(&lock);
    config *old = in_force;
    in_force = made;
    pthread_mutex_unlock(&lock);
    if (old != NULL)
        config_release(old);
}

config *config_acquire(void) {
    pthread_mutex_lock(&lock);
    config *held = in_force;
    if (held != NULL)
        held->readers++;
    pthread_mutex_unlock(&lock);
    return held;
}

void config_release(config *held) {
    pthread_mutex_lock(&lock);
    bool last = --held->readers == 0;
    pthread_mutex_unlock(&lock);
    if (last)
        free(held);
}
