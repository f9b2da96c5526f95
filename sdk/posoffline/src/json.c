#include "json.h"

#include <string.h>

json json_begin(const char *text, size_t len) {
    const unsigned char *at = (const unsigned char *)text;
    return (json){at, at + len, 0, true};
}

static void fail(json *j) {
    j->good = false;
    j->at = j->end;
}

static void skip_blanks(json *j) {
    while (j->at < j->end && memchr(" \t\n\r", *j->at, 4) != NULL)
        j->at++;
}

char json_peek(json *j) {
    skip_blanks(j);
    return j->at < j->end ? (char)*j->at : '\0';
}

static bool accept(json *j, char wanted) {
    if (json_peek(j) != wanted || j->at == j->end)
        return false;
    j->at++;
    return true;
}

static void expect(json *j, char wanted) {
    if (!accept(j, wanted))
        fail(j);
}

bool json_end(json *j) {
    skip_blanks(j);
    return j->good && j->at == j->end;
}

/* --- strings ------------------------------------------------------------------------------------------------------- */

static int hex_value(unsigned char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* How long the well-formed UTF-8 sequence (RFC 3629) at `at` is; 0 if it is none. */
static size_t utf8_len(const unsigned char *at, size_t left) {
    unsigned char lead = at[0];
    if (lead < 0x80)
        return 1;
    size_t len = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || len > left)
        return 0;
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;   /* no overlong form */
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF; /* no surrogate, nothing over 10FFFF */
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

static size_t escape_len(const unsigned char *at, size_t left) {
    if (left < 2)
        return 0;
    if (at[1] != 'u')
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? 2 : 0;
    if (left < 6)
        return 0;
    for (size_t i = 2; i < 6; i++)
        if (hex_value(at[i]) < 0)
            return 0;
    return 6;
}

/* The length of the character at `at`, escaped or not; 0 if a string may not hold it. */
static size_t character_len(const unsigned char *at, size_t left) {
    if (*at == '\\')
        return escape_len(at, left);
    return *at < 0x20 ? 0 : utf8_len(at, left);
}

json_text json_string(json *j) {
    expect(j, '"');
    const unsigned char *from = j->at;
    while (j->at < j->end && *j->at != '"') {
        size_t len = character_len(j->at, (size_t)(j->end - j->at));
        if (len == 0)
            fail(j);
        j->at += len;
    }
    json_text text = {from, (size_t)(j->at - from)};
    expect(j, '"');
    return j->good ? text : (json_text){from, 0}; /* nobody decodes half an escape */
}

static char unescape(const unsigned char *at) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (at[1] != 'u')
        return to[strchr(from, at[1]) - from];
    bool ascii = at[2] == '0' && at[3] == '0' && at[4] < '8';
    return ascii ? (char)(hex_value(at[4]) * 16 + hex_value(at[5])) : (char)0xFF;
}

bool json_decode(json_text text, char *out, size_t room, size_t *len) {
    const unsigned char *at = text.at, *end = text.at + text.len;
    for (*len = 0; at < end; (*len)++) {
        if (*len == room)
            return false;
        bool escaped = *at == '\\';
        out[*len] = escaped ? unescape(at) : (char)*at;
        at += escaped ? escape_len(at, (size_t)(end - at)) : 1;
    }
    return true;
}

bool json_is(json_text text, const char *ascii) {
    char decoded[32];
    size_t len;
    return json_decode(text, decoded, sizeof decoded, &len) && len == strlen(ascii) && memcmp(decoded, ascii, len) == 0;
}

/* --- numbers and words --------------------------------------------------------------------------------------------- */

static size_t skip_digits(json *j) {
    const unsigned char *from = j->at;
    while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
        j->at++;
    return (size_t)(j->at - from);
}

static bool accept_here(json *j, const char *any_of) {
    if (j->at == j->end || *j->at == '\0' || strchr(any_of, *j->at) == NULL)
        return false;
    j->at++;
    return true;
}

static void skip_number(json *j) {
    accept_here(j, "-");
    if (!accept_here(j, "0") && skip_digits(j) == 0)
        fail(j);
    if (accept_here(j, ".") && skip_digits(j) == 0)
        fail(j);
    if (accept_here(j, "eE")) {
        accept_here(j, "+-");
        if (skip_digits(j) == 0)
            fail(j);
    }
}

long json_small_integer(json *j) {
    json_peek(j);
    const unsigned char *from = j->at;
    skip_number(j);
    long value = 0;
    for (const unsigned char *digit = from; digit < j->at; digit++) {
        if (*digit < '0' || *digit > '9' || j->at - from > 6)
            fail(j);
        else
            value = value * 10 + (*digit - '0');
    }
    return j->good ? value : -1;
}

static void skip_word(json *j, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(j->end - j->at) < len || memcmp(j->at, word, len) != 0)
        fail(j);
    else
        j->at += len;
}

/* --- containers ---------------------------------------------------------------------------------------------------- */

static void open(json *j, char mark) {
    expect(j, mark);
    if (++j->depth > JSON_DEPTH_MAX)
        fail(j);
}

static void close(json *j, char mark) {
    expect(j, mark);
    j->depth--;
}

void json_array(json *j, json_element *element, void *context) {
    open(j, '[');
    if (json_peek(j) != ']')
        do
            element(j, context);
        while (accept(j, ','));
    close(j, ']');
}

static void one_member(json *j, json_member *member, void *context) {
    json_text name = json_string(j);
    expect(j, ':');
    member(j, name, context);
}

void json_object(json *j, json_member *member, void *context) {
    open(j, '{');
    if (json_peek(j) != '}')
        do
            one_member(j, member, context);
        while (accept(j, ','));
    close(j, '}');
}

static void skip_element(json *j, void *context) {
    (void)context;
    json_skip(j);
}

static void skip_member(json *j, json_text name, void *context) {
    (void)name, (void)context;
    json_skip(j);
}

void json_skip(json *j) {
    switch (json_peek(j)) {
    case '{': json_object(j, skip_member, NULL); break;
    case '[': json_array(j, skip_element, NULL); break;
    case '"': json_string(j); break;
    case 't': skip_word(j, "true"); break;
    case 'f': skip_word(j, "false"); break;
    case 'n': skip_word(j, "null"); break;
    default: skip_number(j);
    }
}
