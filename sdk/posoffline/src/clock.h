#ifndef POS_CLOCK_H
#define POS_CLOCK_H

#include <stdint.h>

/* Unix seconds by the gate's clock. */
uint32_t clock_now(void);

#endif
