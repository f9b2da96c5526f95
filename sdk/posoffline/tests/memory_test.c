/*
 * The memory of codes against a model: whatever has not ended is remembered up to the bound, whatever has ended makes
 * room by itself, and beyond the bound the memory goes on working. Also the memory of credentials.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/memory.h"

enum { BOUND = 120000, VALID_S = 600 };

static uint64_t random_state = 88172645463325252u;

/* xorshift64: any fingerprints do, as long as they differ. */
static uint64_t draw(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void must(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "memory: %s\n", what);
        exit(1);
    }
}

static uint64_t prints[2 * BOUND];

static void fill(int from, int to, uint32_t now) {
    for (int i = from; i < to; i++) {
        prints[i] = draw();
        must(remember_code(prints[i], now + VALID_S, now), "a new code was taken for a known one");
    }
}

static void all_are_known(int from, int to, uint32_t now) {
    for (int i = from; i < to; i++)
        must(!remember_code(prints[i], now + VALID_S, now), "a code was forgotten before its end");
}

/* A day of riders, each remembered to his end, and never more of them than the bound. */
static void a_day_of_riders(uint32_t now) {
    enum { SECONDS = 5000, PER_SECOND = 20 };
    static uint64_t shown[SECONDS][PER_SECOND];
    for (int second = 0; second < SECONDS; second++) {
        for (int i = 0; i < PER_SECOND; i++) {
            shown[second][i] = draw();
            must(remember_code(shown[second][i], now + (uint32_t)second + VALID_S, now + (uint32_t)second), "new");
        }
        int earlier = second - (int)(draw() % VALID_S);
        if (earlier >= 0)
            must(!remember_code(shown[earlier][0], 0, now + (uint32_t)second), "a living code was forgotten");
    }
}

static void clustered(uint32_t now) {
    for (uint64_t i = 1; i <= 2000; i++) /* all at home in one slot, at the table's very end */
        must(remember_code((i << 17) - 1, now + (uint32_t)(i % 7), now), "clustered: new");
    for (uint64_t i = 1; i <= 2000; i++)
        must(!remember_code((i << 17) - 1, now, now), "clustered: known");
    fill(0, 3000, now + 4); /* sweeps those that ended out of the middle of the cluster */
    for (uint64_t i = 1; i <= 2000; i++)
        if (i % 7 >= 4)
            must(!remember_code((i << 17) - 1, now, now), "clustered: known after a sweep");
}

static void credentials_are_kept(void) {
    unsigned char digest[SHA256_LEN], others[SHA256_LEN];
    memset(digest, 1, sizeof digest);
    must(!credential_is_known(digest), "an unknown credential was known");
    remember_credential(digest);
    remember_credential(digest);
    must(credential_is_known(digest), "a credential was forgotten at once");
    memcpy(others, digest, sizeof others);
    for (unsigned char i = 2; i < 5; i++) {
        others[SHA256_LEN - 1] = i;
        remember_credential(others);
    }
    must(credential_is_known(digest), "a set holds four");
    others[SHA256_LEN - 1] = 5;
    remember_credential(others);
    must(!credential_is_known(digest) && credential_is_known(others), "the oldest of five gives way");
}

int main(void) {
    uint32_t now = 1800000000;
    must(remember_code(0, now, now) && !remember_code(0, now, now), "a fingerprint of zero");
    now += 10;
    fill(0, 100000, now);
    all_are_known(0, 100000, now + VALID_S);
    for (int i = 100000; i < 2 * BOUND; i += 1000) /* beyond the bound: goes on, and those that end last are known */
        fill(i, i + 1000, now + (uint32_t)i / 1000);
    all_are_known(2 * BOUND - 100, 2 * BOUND, now);
    now += 3 * VALID_S; /* all have ended */
    fill(0, BOUND / 2, now);
    all_are_known(0, BOUND / 2, now);
    now += 2 * VALID_S;
    a_day_of_riders(now);
    clustered(now + 100000);
    credentials_are_kept();
    puts("memory: as the model says");
    return 0;
}
