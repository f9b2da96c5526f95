/* The test build counts the verifications that a remembered credential saves: it is linked with --wrap for both. */
#include <openssl/evp.h>
#include <secp256k1.h>
#include <stdatomic.h>

#include "../pos_crypto.h"

static _Atomic unsigned verifications;

POS_API unsigned pos_test_verifications(void);
int __real_secp256k1_ecdsa_verify(const secp256k1_context *, const secp256k1_ecdsa_signature *, const unsigned char *,
                                  const secp256k1_pubkey *);
int __wrap_secp256k1_ecdsa_verify(const secp256k1_context *, const secp256k1_ecdsa_signature *, const unsigned char *,
                                  const secp256k1_pubkey *);
int __real_EVP_DigestVerify(EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);
int __wrap_EVP_DigestVerify(EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);

/* On secp256k1 and on SM2's curve, since the library was loaded; the phone's own signature on secp192k1 is not counted. */
unsigned pos_test_verifications(void) {
    return verifications;
}

int __wrap_secp256k1_ecdsa_verify(const secp256k1_context *context, const secp256k1_ecdsa_signature *signature,
                                  const unsigned char *digest, const secp256k1_pubkey *key) {
    verifications++;
    return __real_secp256k1_ecdsa_verify(context, signature, digest, key);
}

int __wrap_EVP_DigestVerify(EVP_MD_CTX *state, const unsigned char *signature, size_t signature_len,
                            const unsigned char *message, size_t message_len) {
    verifications++;
    return __real_EVP_DigestVerify(state, signature, signature_len, message, message_len);
}
