/* The checks of a code, in the order of tongka.code.verify: SUCCESS or the first refusal. */
#ifndef POS_CHECK_H
#define POS_CHECK_H

#include "config.h"

typedef struct {
    const config *config;
    uint32_t now;
    uint32_t amount_fen;
} terms;

int check_signatures(const ride_code *code, const config *held);
int check_terms(const ride_code *code, const terms *against);

/* The bytes that make this code the same code, whatever its signatures look like, as 64 bits. */
bool code_fingerprint(const ride_code *code, uint64_t *out);

#endif
