/*
 * pos_crypto.h - offline verification of ride codes at a gate.
 *
 * The interface of the Alipay transit offline document v0.14, chapter 4.1, as terminals compile against it. Codes of
 * three formats are read: Alipay version 2, the operator's own (the same behind 54 01 or 54 02), and the ministry of
 * transport's (JT/T 1179), the last one where the key list holds a CA of the ministry.
 *
 * Every function may be called from any thread at any time. Nothing is written beyond the sizes that the caller gives.
 */
#ifndef POS_CRYPTO_H
#define POS_CRYPTO_H

#if defined(__GNUC__)
#define POS_API __attribute__((visibility("default")))
#else
#define POS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions answer (4.1.5). A refusal never uses a code up. */
enum pos_result {
    SUCCESS = 1,
    MALFORMED_QRCODE = -1,     /* a length does not add up, or a signature does not verify */
    QRCODE_INFO_EXPIRED = -2,  /* the code is too old, or from the future: show a fresh one */
    QRCODE_KEY_EXPIRED = -3,   /* the authorisation has expired, or its key is not in the key list: go online */
    POS_PARAM_ERROR = -4,      /* pos_param is over 1024 bytes, not JSON, or lacks a member */
    QUOTA_EXCEEDED = -5,       /* the amount is above the code's limit for one ride */
    NO_ENOUGH_MEMORY = -6,
    SYSTEM_ERROR = -7,
    CARDTYPE_UNSUPPORTED = -8, /* the card type is not in card_type_list */
    NOT_INITIALIZED = -9,
    ILLEGAL_PARAM = -10,       /* NULL, a negative amount, or a buffer that is too small */
    PROTO_UNSUPPORTED = -11,   /* another format, version or signature algorithm */
    QRCODE_DUPLICATED = -12    /* this very code was let through here before */
};

/* The least that the buffers of a response may have, in bytes; exactly so much is enough for usual answers. */
enum pos_minimum {
    POS_UID_MIN = 17,
    POS_RECORD_MIN = 2048,
    POS_CARD_NO_MIN = 17,
    POS_CARD_DATA_MIN = 65,
    POS_CARD_TYPE_MIN = 9
};

#define POS_PARAM_MAX 1024 /* bytes of pos_param, its NUL not counted */

typedef struct {
    const unsigned char *qrcode; /* the bytes of the QR code */
    int qrcode_len;
    const char *pos_param;       /* JSON: pos_id, type, subject, record_id; each a text that is not empty */
    int amount_cent;             /* the fare in fen; 0 where it is known only at the exit */
} VERIFY_REQUEST_V2;

/* The caller owns all buffers. Each _len is the buffer's size before the call, the answer's length after a success. */
typedef struct {
    char *uid; /* 16 characters */
    int uid_len;
    char *record; /* the offline record, hex */
    int record_len;
    char *card_no;
    int card_no_len;
    unsigned char *card_data; /* bytes; a NUL follows them */
    int card_data_len;
    char *card_type; /* empty: plain bus payment (ANT00001), or a ministry code, which has no card type */
    int card_type_len;
} VERIFY_RESPONSE_V2;

typedef struct {
    const unsigned char *qrcode;
    int qrcode_len;
} INFO_REQUEST;

typedef struct {
    char *uid;
    int uid_len;
    char *card_no;
    int card_no_len;
    unsigned char *card_data;
    int card_data_len;
    char *card_type;
    int card_type_len;
} INFO_RESPONSE;

/*
 * Take the master keys and the card types of this gate; again whenever they change. Verifications that run meanwhile
 * end with the keys they began with. What was seen stays remembered. After ILLEGAL_PARAM nothing has changed.
 *   key_list        [{"key_id":0,"public_key":"<66 hex digits>"}, ...]; an entry with "proto":"MOT" is a ministry CA
 *   card_type_list  ["ANT00001", ...]; at least one, eight characters each
 */
POS_API int init_pos_verify(const char *key_list, const char *card_type_list);

/* Verify a code and write the offline record that the ride is settled with. */
POS_API int verify_qrcode_v2(VERIFY_REQUEST_V2 *request, VERIFY_RESPONSE_V2 *response);

/* Read a code without verifying it: nothing but its layout is checked, and nothing is used up. */
POS_API int get_qrcode_info(INFO_REQUEST *request, INFO_RESPONSE *response);

/* The id of the master key (for a ministry code the CA index), 0 to 255, of a code that is complete; or an error. */
POS_API int get_key_id(const unsigned char *qrcode);

/* This library's version, as records carry it; a constant, not to be freed or written to. */
POS_API char *get_version(void);

#ifdef __cplusplus
}
#endif

#endif
