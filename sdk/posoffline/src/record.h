/* The offline record, version 2, and the pos_param that goes into it. */
#ifndef POS_RECORD_H
#define POS_RECORD_H

#include "code.h"

typedef struct {
    slice code;      /* as shown, with an operator's prefix */
    slice uid;       /* the key of the MAC */
    slice pos_param; /* checked */
    uint32_t now;
    slice version;
} record_parts;

/* A JSON object with pos_id, type, subject and record_id, each a text that is not empty. */
bool pos_param_is_good(slice text);

/* Characters that the record's text has, without the NUL. */
size_t record_text_len(const record_parts *parts);

/* Write the text and a NUL; false if libcrypto fails. `out` has room for it. */
bool write_record(const record_parts *parts, char *out);

#endif
