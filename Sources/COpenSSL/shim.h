#ifndef VZCRI_COPENSSL_SHIM_H
#define VZCRI_COPENSSL_SHIM_H

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Swift imports neither function-like macros nor variadic functions: each one used has a function here. */

static inline int vz_ctx_require_tls12(SSL_CTX *ctx) {
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
}

/* No session outlives its connection: every handshake looks at the certificates again. */
static inline void vz_ctx_set_defaults(SSL_CTX *ctx) {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static inline int vz_ctx_add_chain_certificate(SSL_CTX *ctx, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(ctx, certificate);
}

static inline int vz_ctx_set_owner(SSL_CTX *ctx, void *owner) { return SSL_CTX_set_app_data(ctx, owner); }
static inline void *vz_ctx_owner(SSL_CTX *ctx) { return SSL_CTX_get_app_data(ctx); }

static inline int vz_ssl_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

/* The connection a certificate chain is being verified for. */
static inline SSL *vz_store_ssl(X509_STORE_CTX *store) {
    return (SSL *)X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
}

/* An empty memory BIO says "try again", not "end of file". */
static inline BIO *vz_bio_new(void) {
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio) BIO_set_mem_eof_return(bio, -1);
    return bio;
}

static inline size_t vz_bio_pending(BIO *bio) { return BIO_ctrl_pending(bio); }

static inline int vz_error_reason(unsigned long error) { return ERR_GET_REASON(error); }
/* The errno an error stands for; 0 for errors of OpenSSL's own. */
static inline int vz_error_errno(unsigned long error) { return ERR_SYSTEM_ERROR(error) ? ERR_GET_REASON(error) : 0; }
static inline int vz_error_library(unsigned long error) { return ERR_GET_LIB(error); }

/* Alerts of the other side come as reasons 1000 + number of the alert. */
enum { vz_first_alert_reason = SSL_AD_REASON_OFFSET, vz_last_alert_reason = SSL_AD_REASON_OFFSET + 255 };

static inline EVP_PKEY *vz_make_p256_key(void) { return EVP_EC_gen("P-256"); }

static inline int vz_x509_set_version3(X509 *certificate) { return X509_set_version(certificate, X509_VERSION_3); }

static inline int vz_general_names_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
static inline const GENERAL_NAME *vz_general_name(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}
static inline int vz_general_name_type(const GENERAL_NAME *name) { return name->type; }
static inline const ASN1_STRING *vz_general_name_text(const GENERAL_NAME *name) {
    switch (name->type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI: return name->d.ia5;
    case GEN_IPADD: return name->d.iPAddress;
    default: return NULL;
    }
}

#endif
