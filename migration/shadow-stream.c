/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chain of sealed records.
 */
#include "qemu/osdep.h"
#include <gcrypt.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "shadow/migration/shadow-secret.h"
#include "shadow/migration/shadow-stream.h"

#define STREAM_MAGIC 0x51535052 /* "QSPR" */

/* GCM's, which 64 bits of record number fit (NIST SP 800-38D, 8.2.1) */
#define STREAM_IV_LEN 12

/* All fields big-endian */
typedef struct StreamHeader {
    uint32_t magic;
    uint32_t len;
    uint8_t id[SHADOW_STREAM_ID_LEN];
    uint64_t number;
} StreamHeader;

QEMU_BUILD_BUG_ON(sizeof(StreamHeader) != SHADOW_STREAM_HEADER_LEN);

struct ShadowStream {
    gcry_cipher_hd_t cipher;
    uint8_t id[SHADOW_STREAM_ID_LEN];
    uint64_t number;            /* of the next record */
    uint8_t digest[SHADOW_STREAM_DIGEST_LEN];
};

ShadowStream *shadow_stream_new(const uint8_t key[SHADOW_STREAM_KEY_LEN],
                                const uint8_t id[SHADOW_STREAM_ID_LEN])
{
    g_autoptr(ShadowStream) s = g_new0(ShadowStream, 1);

    if (gcry_cipher_open(&s->cipher, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM,
                         GCRY_CIPHER_SECURE)) {
        s->cipher = NULL;
        return NULL;
    }
    if (gcry_cipher_setkey(s->cipher, key, SHADOW_STREAM_KEY_LEN)) {
        return NULL;
    }
    memcpy(s->id, id, sizeof(s->id));
    return g_steal_pointer(&s);
}

void shadow_stream_free(ShadowStream *s)
{
    if (s) {
        gcry_cipher_close(s->cipher);
        g_free(s);
    }
}

static size_t stream_padded(size_t len)
{
    return ROUND_UP(MAX(len, 1), SHADOW_STREAM_CLASS);
}

size_t shadow_stream_size(size_t len)
{
    return len > SHADOW_STREAM_BODY_MAX ? 0 :
           SHADOW_STREAM_HEADER_LEN + stream_padded(len) +
           SHADOW_STREAM_TAG_LEN;
}

/* The cipher is ready for the body of record @hdr, which is the next one. */
static bool stream_begin(ShadowStream *s, const StreamHeader *hdr)
{
    uint8_t iv[STREAM_IV_LEN] = { };

    memcpy(iv + STREAM_IV_LEN - sizeof(hdr->number), &hdr->number,
           sizeof(hdr->number));
    return !gcry_cipher_setiv(s->cipher, iv, sizeof(iv)) &&
           !gcry_cipher_authenticate(s->cipher, hdr, sizeof(*hdr));
}

/* A tag covers all of its record, and all tags cover each other's order. */
static void stream_next(ShadowStream *s, const uint8_t *tag)
{
    uint8_t chain[SHADOW_STREAM_DIGEST_LEN + SHADOW_STREAM_TAG_LEN];

    memcpy(chain, s->digest, sizeof(s->digest));
    memcpy(chain + sizeof(s->digest), tag, SHADOW_STREAM_TAG_LEN);
    gcry_md_hash_buffer(GCRY_MD_SHA256, s->digest, chain, sizeof(chain));
    s->number++;
}

bool shadow_stream_seal(ShadowStream *s, uint8_t *record, size_t len)
{
    size_t padded = stream_padded(len);
    uint8_t *body = record + SHADOW_STREAM_HEADER_LEN;
    StreamHeader hdr = {
        .magic = cpu_to_be32(STREAM_MAGIC),
        .len = cpu_to_be32(padded),
        .number = cpu_to_be64(s->number),
    };

    memcpy(hdr.id, s->id, sizeof(hdr.id));
    memcpy(record, &hdr, sizeof(hdr));
    memset(body + len, 0, padded - len);
    if (!stream_begin(s, &hdr) || gcry_cipher_final(s->cipher) ||
        gcry_cipher_encrypt(s->cipher, body, padded, NULL, 0) ||
        gcry_cipher_gettag(s->cipher, body + padded, SHADOW_STREAM_TAG_LEN)) {
        shadow_wipe(record, shadow_stream_size(len));
        return false;
    }
    stream_next(s, body + padded);
    return true;
}

/* Why it is not the next record, before a key is asked; NULL if it may be */
static const char *stream_refusal(const ShadowStream *s,
                                  const StreamHeader *hdr, size_t len)
{
    size_t body = len - SHADOW_STREAM_HEADER_LEN - SHADOW_STREAM_TAG_LEN;

    if (be32_to_cpu(hdr->magic) != STREAM_MAGIC ||
        be32_to_cpu(hdr->len) != body || !body ||
        body % SHADOW_STREAM_CLASS || body > SHADOW_STREAM_BODY_MAX) {
        return "it is none";
    }
    if (memcmp(hdr->id, s->id, sizeof(hdr->id))) {
        return "it is of another session";
    }
    return be64_to_cpu(hdr->number) == s->number ? NULL :
           "another one is expected";
}

uint8_t *shadow_stream_open(ShadowStream *s, uint8_t *record, size_t len,
                            size_t *body_len, Error **errp)
{
    const char *reason = "it is cut short";
    uint8_t *body = record + SHADOW_STREAM_HEADER_LEN;
    StreamHeader hdr;

    if (len > SHADOW_STREAM_HEADER_LEN + SHADOW_STREAM_TAG_LEN) {
        memcpy(&hdr, record, sizeof(hdr));
        reason = stream_refusal(s, &hdr, len);
    }
    if (reason) {
        error_setg(errp, "a record of private memory is refused: %s", reason);
        return NULL;
    }
    *body_len = be32_to_cpu(hdr.len);
    if (!stream_begin(s, &hdr) || gcry_cipher_final(s->cipher) ||
        gcry_cipher_decrypt(s->cipher, body, *body_len, NULL, 0) ||
        gcry_cipher_checktag(s->cipher, body + *body_len,
                             SHADOW_STREAM_TAG_LEN)) {
        shadow_wipe(body, *body_len);
        error_setg(errp, "a record of private memory is refused: it was "
                   "altered, or sealed with another key");
        return NULL;
    }
    stream_next(s, body + *body_len);
    return body;
}

uint64_t shadow_stream_records(const ShadowStream *s)
{
    return s->number;
}

const uint8_t *shadow_stream_digest(const ShadowStream *s)
{
    return s->digest;
}
