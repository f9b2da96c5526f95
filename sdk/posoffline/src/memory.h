/*
 * The two things that the library remembers between calls. Both are of fixed size and stand in static memory: nothing
 * here is ever allocated.
 */
#ifndef POS_MEMORY_H
#define POS_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto.h"

/*
 * Codes let through: an open-addressed table of 131,072 slots of 12 bytes (1.5 MiB), a fingerprint of 64 bits and the
 * second until which the code is valid. Afterwards the code is refused for its age and is forgotten. At most 120,000
 * are remembered; beyond that (200 riders a second for ten minutes) the one nearest its end, of 64 looked at, makes
 * room: a copy let through then is still charged once, at settlement.
 *
 * Answers false, and changes nothing, if the code is remembered.
 */
bool remember_code(uint64_t fingerprint, uint32_t valid_until, uint32_t now);

/*
 * Credentials whose signatures were verified, by a digest of everything that they depend on: 1,024 sets of four
 * (128 KiB), the oldest of a set giving way.
 */
bool credential_is_known(const unsigned char digest[SHA256_LEN]);
void remember_credential(const unsigned char digest[SHA256_LEN]);

#endif
