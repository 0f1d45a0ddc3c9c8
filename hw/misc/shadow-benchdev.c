/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For measurements only: what ultracalls cannot do without, as an I/O port of
 * the cloud VM, which so can time it as it times the calls, in the same
 * process.
 *
 * A 4-byte write of n to the first port encrypts n bytes with AES-256-GCM by
 * libgcrypt, in place, and copies them; to the second, it decrypts and
 * copies them.  As cheap as either can be: both buffers are this device's
 * own, each in one piece, and have been used before.  A context is made and a
 * key set each time, since each envelope has its own.  The third is the first
 * with one context and key for all times, as records of a session have.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/isa/isa.h"
#include "shadow/include/compat-memory.h"
#include "shadow/include/compat-qdev.h"
#include "shadow/migration/shadow-seal.h"
#include <gcrypt.h>

#define TYPE_SHADOW_BENCHDEV "shadow-benchdev"
OBJECT_DECLARE_SIMPLE_TYPE(ShadowBenchdev, SHADOW_BENCHDEV)

#define BENCHDEV_ENCRYPT 0
#define BENCHDEV_DECRYPT 4
#define BENCHDEV_ONE_KEY 8
#define BENCHDEV_PORTS   12

struct ShadowBenchdev {
    ISADevice parent_obj;

    MemoryRegion io;
    uint32_t iobase;
    uint8_t *text;
    uint8_t *copy;
    uint32_t len;       /* of each */
    gcry_cipher_hd_t one_key;
};

static gcry_cipher_hd_t benchdev_cipher(void)
{
    static const uint8_t key[32] = "no secret is measured here";
    gcry_cipher_hd_t cipher;

    if (gcry_cipher_open(&cipher, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM,
                         GCRY_CIPHER_SECURE)) {
        return NULL;
    }
    if (gcry_cipher_setkey(cipher, key, sizeof(key))) {
        gcry_cipher_close(cipher);
        return NULL;
    }
    return cipher;
}

static bool benchdev_gcm(gcry_cipher_hd_t cipher, uint8_t *text, size_t len,
                         bool encrypt)
{
    static const uint8_t iv[12];
    uint8_t tag[SHADOW_SEAL_AUTH_LEN];

    return !gcry_cipher_setiv(cipher, iv, sizeof(iv)) &&
           !gcry_cipher_final(cipher) &&
           !(encrypt ? gcry_cipher_encrypt(cipher, text, len, NULL, 0)
                     : gcry_cipher_decrypt(cipher, text, len, NULL, 0)) &&
           !gcry_cipher_gettag(cipher, tag, sizeof(tag));
}

/* Nothing of this may be part of what is timed first. */
static void benchdev_reserve(ShadowBenchdev *s, uint32_t len)
{
    if (len > s->len) {
        s->text = g_realloc(s->text, len);
        s->copy = g_realloc(s->copy, len);
        s->len = len;
        memset(s->text, 0x55, len);
        memset(s->copy, 0xaa, len);
    }
}

static void benchdev_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    ShadowBenchdev *s = opaque;
    bool one_key = addr == BENCHDEV_ONE_KEY;
    gcry_cipher_hd_t cipher;

    if (val > SHADOW_SEAL_MAX_CLASS) {
        return;
    }
    benchdev_reserve(s, val);
    cipher = one_key ? s->one_key : benchdev_cipher();
    if (cipher && benchdev_gcm(cipher, s->text, val,
                               addr != BENCHDEV_DECRYPT)) {
        memcpy(s->copy, s->text, val);
    }
    if (!one_key) {
        gcry_cipher_close(cipher);
    }
}

/* What was used last, so that the cloud VM sees that there is such a device */
static uint64_t benchdev_read(void *opaque, hwaddr addr, unsigned size)
{
    return SHADOW_BENCHDEV(opaque)->len;
}

static const MemoryRegionOps benchdev_ops = {
    .read = benchdev_read,
    .write = benchdev_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void benchdev_realize(DeviceState *dev, Error **errp)
{
    ShadowBenchdev *s = SHADOW_BENCHDEV(dev);

    if (!shadow_secret_init(errp)) {
        return;
    }
    s->one_key = benchdev_cipher();
    if (!s->one_key) {
        error_setg(errp, "libgcrypt failed to make a key ready");
        return;
    }
    memory_region_init_io(&s->io, OBJECT(s), &benchdev_ops, s,
                          TYPE_SHADOW_BENCHDEV, BENCHDEV_PORTS);
    isa_register_ioport(ISA_DEVICE(s), &s->io, s->iobase);
}

static void benchdev_finalize(Object *obj)
{
    ShadowBenchdev *s = SHADOW_BENCHDEV(obj);

    gcry_cipher_close(s->one_key);
    g_free(s->text);
    g_free(s->copy);
}

static const Property benchdev_properties[] = {
    DEFINE_PROP_UINT32("iobase", ShadowBenchdev, iobase, 0x5a0),
};

static void benchdev_class_init(ObjectClass *oc, ShadowClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = benchdev_realize;
    dc->desc = "what sealing costs at least, for measurements";
    dc->hotpluggable = false;
    device_class_set_props(dc, benchdev_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo benchdev_types[] = {
    {
        .name = TYPE_SHADOW_BENCHDEV,
        .parent = TYPE_ISA_DEVICE,
        .instance_size = sizeof(ShadowBenchdev),
        .instance_finalize = benchdev_finalize,
        .class_init = benchdev_class_init,
    },
};

DEFINE_TYPES(benchdev_types)
