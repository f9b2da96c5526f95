#include "clock.h"

#include <time.h>

uint32_t clock_now(void) {
    return (uint32_t)time(NULL);
}
