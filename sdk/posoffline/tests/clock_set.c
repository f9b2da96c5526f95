/* The clock of the test build (libposoffline-test.so), which takes this file in place of src/clock.c. */
#include "../src/clock.h"

#include <stdatomic.h>
#include <time.h>

#include "../pos_crypto.h"

static _Atomic uint32_t fixed;

/* From now on it is `unix_s`; 0: as late as it is. */
POS_API void pos_test_set_clock(uint32_t unix_s);

void pos_test_set_clock(uint32_t unix_s) {
    fixed = unix_s;
}

uint32_t clock_now(void) {
    uint32_t now = fixed;
    return now != 0 ? now : (uint32_t)time(NULL);
}
