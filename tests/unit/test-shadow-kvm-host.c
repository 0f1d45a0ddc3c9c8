/*
 * Tests of what is said of a host's KVM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "shadow/target/i386/shadow-kvm-host.h"

static const ShadowKvmHost amd = {
    .svm = true, .npt = true, .nested_state = true, .readonly_memory = true,
};

static const ShadowKvmHost intel = {
    .vmx = true, .nested_state = true, .readonly_memory = true,
};

static void check_none(ShadowKvmHost host, const char *missing)
{
    Error *err = NULL;

    g_assert_cmpint(shadow_kvm_host_protection(&host, &err), ==,
                    SHADOW_PROTECTION_NONE);
    g_assert_nonnull(strstr(error_get_pretty(err), missing));
    error_free(err);
}

static void test_amd(void)
{
    ShadowKvmHost host = amd;

    g_assert_cmpint(shadow_kvm_host_protection(&host, &error_abort), ==,
                    SHADOW_PROTECTION_WATCHED);
    host.npt = false;
    check_none(host, "npt=1");
    host = amd;
    host.readonly_memory = false;
    check_none(host, "KVM_CAP_READONLY_MEM");
}

static void test_intel(void)
{
    check_none(intel, "contrib/");
}

static void test_old(void)
{
    ShadowKvmHost host = amd;

    host.nested_state = false;
    check_none(host, "KVM_CAP_NESTED_STATE");
    host = intel;
    host.nested_state = false;
    check_none(host, "KVM_CAP_NESTED_STATE");
}

static void test_not_nested(void)
{
    const ShadowKvmHost host = {
        .nested_state = true, .readonly_memory = true, .nested_pio = true,
    };

    check_none(host, "nested=1");
}

static void test_kernel_change(void)
{
    ShadowKvmHost host = amd;

    host.nested_pio = true;
    host.readonly_memory = false;
    g_assert_cmpint(shadow_kvm_host_protection(&host, &error_abort), ==,
                    SHADOW_PROTECTION_FORCED);
    host = intel;
    host.nested_pio = true;
    g_assert_cmpint(shadow_kvm_host_protection(&host, &error_abort), ==,
                    SHADOW_PROTECTION_FORCED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shadow/kvm-host/amd", test_amd);
    g_test_add_func("/shadow/kvm-host/intel", test_intel);
    g_test_add_func("/shadow/kvm-host/old", test_old);
    g_test_add_func("/shadow/kvm-host/not-nested", test_not_nested);
    g_test_add_func("/shadow/kvm-host/kernel-change", test_kernel_change);
    return g_test_run();
}
