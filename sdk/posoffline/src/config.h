/* What init_pos_verify was given. Readers hold a reference: the last one to let go of an old configuration frees it. */
#ifndef POS_CONFIG_H
#define POS_CONFIG_H

#include "crypto.h"

enum { KEY_IDS = 256, CARD_TYPES_MAX = 256, KEY_LIST_MAX = 1 << 20 };

typedef struct {
    bool listed;
    bool on_secp256k1; /* and then `point` is it */
    bool on_sm2;
    unsigned char encoded[KEY_LEN];
    secp256k1_pubkey point;
} master_key;

typedef struct {
    int readers;
    int authority_count;
    int card_type_count;
    master_key masters[KEY_IDS];
    master_key authorities[KEY_IDS]; /* the ministry's CAs; on SM2 only */
    char card_types[CARD_TYPES_MAX][CARD_TYPE_LEN];
} config;

/* SUCCESS, ILLEGAL_PARAM or NO_ENOUGH_MEMORY; a new configuration nobody knows yet. */
int config_make(const char *key_list, const char *card_type_list, config **out);

/* Put `made` in force. */
void config_install(config *made);

/* The configuration in force, to be released; NULL before the first one. */
config *config_acquire(void);
void config_release(config *held);

bool config_takes_card_type(const config *held, const unsigned char card_type[CARD_TYPE_LEN]);

#endif
