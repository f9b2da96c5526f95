/*
 * A strict reader of JSON (RFC 8259) over a text in memory: no tree, no allocation, nesting bounded.
 *
 * The caller says what he expects; whatever does not fit makes the reader fail for good, so that only the end needs to
 * be looked at. Escapes beyond ASCII are decoded as the byte FF: all that is compared here is ASCII.
 */
#ifndef POS_JSON_H
#define POS_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH_MAX = 32 };

typedef struct {
    const unsigned char *at;
    const unsigned char *end;
    int depth;
    bool good;
} json;

typedef struct {
    const unsigned char *at;
    size_t len;
} json_text; /* between the quotes, escapes and all */

/* Read one value; called for each element, and for each member with its name. */
typedef void json_element(json *j, void *context);
typedef void json_member(json *j, json_text name, void *context);

json json_begin(const char *text, size_t len);
char json_peek(json *j); /* the value's first character, or NUL */
void json_array(json *j, json_element *element, void *context);
void json_object(json *j, json_member *member, void *context);
json_text json_string(json *j);
long json_small_integer(json *j); /* 0 to 999999 */
void json_skip(json *j);          /* any value */
bool json_end(json *j);           /* nothing failed, and only blanks are left */

/* Decode into at most `room` bytes, without a NUL; false if it is longer. */
bool json_decode(json_text text, char *out, size_t room, size_t *len);
bool json_is(json_text text, const char *ascii);

#endif
