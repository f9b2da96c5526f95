/* What the libraries compute for us. Verifications answer SUCCESS, MALFORMED_QRCODE or NO_ENOUGH_MEMORY. */
#ifndef POS_CRYPTO_LIBRARIES_H
#define POS_CRYPTO_LIBRARIES_H

#include <secp256k1.h>

#include "code.h"

enum { SHA256_LEN = 32, MD5_LEN = 16 };

/* Fetch what is fetched once; false if libcrypto lacks something (SM2, secp192k1) that it has in full builds. */
bool crypto_ready(void);

bool point_on_secp256k1(const unsigned char key[KEY_LEN], secp256k1_pubkey *out);
bool point_on_sm2(const unsigned char key[KEY_LEN]);

/* DER signatures, either sign of s, over SHA-1. */
int verify_secp256k1(const secp256k1_pubkey *key, slice signature, slice message);
int verify_secp192k1(slice key, slice signature, slice message);

/* SM3withSM2 with the default ID; DER, or raw r||s. */
int verify_sm2_der(slice key, slice signature, slice message);
int verify_sm2_raw(slice key, slice signature, slice message);

bool sha256(slice message, unsigned char out[SHA256_LEN]);
bool hmac_md5(slice key, slice message, unsigned char out[MD5_LEN]);

#endif
