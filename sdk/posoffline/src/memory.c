#include "memory.h"

#include <pthread.h>
#include <string.h>

/* --- codes --------------------------------------------------------------------------------------------------------- */

enum { SLOTS = 1 << 17, CODES_MAX = 120000, SWEEP = 64 };

static pthread_mutex_t codes_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t fingerprints[SLOTS]; /* 0: free */
static uint32_t ends[SLOTS];
static uint32_t codes, hand;

static uint32_t after(uint32_t slot) {
    return (slot + 1) % SLOTS;
}

/* How far `slot` lies behind `from`, going round. */
static uint32_t distance(uint32_t from, uint32_t slot) {
    return (slot - from) % SLOTS;
}

static uint32_t home_of(uint64_t fingerprint) {
    return (uint32_t)(fingerprint % SLOTS);
}

/* The slot that holds the fingerprint, or the free one where it belongs. */
static uint32_t find(uint64_t fingerprint) {
    uint32_t slot = home_of(fingerprint);
    while (fingerprints[slot] != 0 && fingerprints[slot] != fingerprint)
        slot = after(slot);
    return slot;
}

/* Free a slot; whoever was pushed past it by others moves up, so that no search ends too early. */
static void forget(uint32_t hole) {
    for (uint32_t slot = after(hole); fingerprints[slot] != 0; slot = after(slot)) {
        if (distance(home_of(fingerprints[slot]), slot) < distance(hole, slot))
            continue;
        fingerprints[hole] = fingerprints[slot];
        ends[hole] = ends[slot];
        hole = slot;
    }
    fingerprints[hole] = 0;
    codes--;
}

/* Look at the next slots and forget what is over; a whole round takes 2,048 codes. */
static void sweep(uint32_t now) {
    for (int step = 0; step < SWEEP; step++) {
        if (fingerprints[hand] != 0 && ends[hand] < now)
            forget(hand); /* another may have moved in: look again */
        else
            hand = after(hand);
    }
}

static void make_room(void) {
    uint32_t soonest = SLOTS;
    for (int seen = 0; seen < SWEEP; hand = after(hand)) {
        if (fingerprints[hand] == 0)
            continue;
        if (soonest == SLOTS || ends[hand] < ends[soonest])
            soonest = hand;
        seen++;
    }
    forget(soonest);
}

static void put(uint64_t fingerprint, uint32_t valid_until) {
    uint32_t slot = find(fingerprint);
    fingerprints[slot] = fingerprint;
    ends[slot] = valid_until;
    codes++;
}

bool remember_code(uint64_t fingerprint, uint32_t valid_until, uint32_t now) {
    fingerprint += fingerprint == 0;
    pthread_mutex_lock(&codes_lock);
    bool is_new = fingerprints[find(fingerprint)] == 0;
    if (is_new) {
        sweep(now);
        if (codes == CODES_MAX)
            make_room();
        put(fingerprint, valid_until);
    }
    pthread_mutex_unlock(&codes_lock);
    return is_new;
}

/* --- credentials --------------------------------------------------------------------------------------------------- */

enum { SETS = 1024, WAYS = 4 };

static pthread_mutex_t credentials_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char credentials[SETS][WAYS][SHA256_LEN];
static unsigned char oldest[SETS];

static unsigned set_of(const unsigned char digest[SHA256_LEN]) {
    return (digest[0] | (unsigned)digest[1] << 8) % SETS;
}

static bool in_set(unsigned set, const unsigned char digest[SHA256_LEN]) {
    for (int way = 0; way < WAYS; way++)
        if (memcmp(credentials[set][way], digest, SHA256_LEN) == 0)
            return true;
    return false;
}

bool credential_is_known(const unsigned char digest[SHA256_LEN]) {
    pthread_mutex_lock(&credentials_lock);
    bool known = in_set(set_of(digest), digest);
    pthread_mutex_unlock(&credentials_lock);
    return known;
}

void remember_credential(const unsigned char digest[SHA256_LEN]) {
    unsigned set = set_of(digest);
    pthread_mutex_lock(&credentials_lock);
    if (!in_set(set, digest)) {
        memcpy(credentials[set][oldest[set]], digest, SHA256_LEN);
        oldest[set] = (unsigned char)((oldest[set] + 1) % WAYS);
    }
    pthread_mutex_unlock(&credentials_lock);
}
