/*
 * What our code relies on in KVM, asked of the kernel that runs:
 *
 *     facts [PART-OF-A-NAME]
 *
 * It needs /dev/kvm on an AMD processor with nested virtualization, a real or
 * an emulated one, and prints TAP.  A line "not ok" says what was expected and
 * what was seen instead.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts.h"
#include <stddef.h>
#include <stdio.h>

static const TapTest facts[] = {
    { "xen: vmmcall from CPL 0 reaches user space", fact_xen_kernel },
    { "xen: vmmcall from CPL 3 reaches user space", fact_xen_user },
    { "xen: set before and after processors", fact_xen_before_vcpus },
    { "xen: KVM hypercalls arrive as well", fact_xen_kvm_hypercalls },
    { "vmcall: patched in place", fact_vmcall_patched },
    { "vmcall: on a read-only page, a fault", fact_vmcall_read_only_page },
    { "vmcall: in a read-only slot, MMIO", fact_vmcall_read_only_slot },
    { "map-gpa: from CPL 0 reaches user space", fact_map_gpa_kernel },
    { "map-gpa: from CPL 3 does not", fact_map_gpa_user },
    { "map-gpa: Xen's exit comes first", fact_map_gpa_and_xen },
    { "doorbell: from CPL 3 with permission", fact_doorbell },
    { "doorbell: from CPL 3 without", fact_doorbell_refused },
    { "calls: L2's go to L1", fact_l2_call_intercepted },
    { "calls: L2's go nowhere else", fact_l2_call_not_intercepted },
    { "io: bit set, to L1", fact_io_intercepted },
    { "io: bit cleared, to L0", fact_io_passed },
    { "io: the same with shadow paging", fact_io_passed_shadow_paging },
    { "io: at the edge of the byte", fact_io_edge },
    { "io: rep outsb comes byte by byte", fact_io_string_out },
    { "io: rep insb comes at once", fact_io_string_in },
    { "state: the guest mode flag", fact_guest_mode_flag },
    { "state: what KVM_GET_NESTED_STATE tells", fact_nested_state },
    { "state: KVM_TRANSLATE of L2's addresses", fact_translate },
    { "map: where no memory is, all to L1", fact_map_nowhere },
    { "held map: read by L1 and for L2", fact_held_map_read },
    { "held map: L1's writes arrive", fact_held_map_written },
    { "held map: atomic updates arrive", fact_held_map_locked },
    { "held map: what KVM cannot emulate", fact_held_map_emulation },
    { "slots: changed while L2 is between runs", fact_slots_under_l2 },
    { "give back: out", fact_give_back_out },
    { "give back: in", fact_give_back_in },
    { "give back: all sizes", fact_give_back_sizes },
    { "give back: settled and taken back", fact_give_back_settled },
    { "give back: with shadow paging", fact_give_back_shadow_paging },
    { "give back: lasts for one run", fact_give_back_once },
    { "give back: with interrupts for L1", fact_give_back_interrupt },
    { "give back: what KVM emulated", fact_give_back_emulated },
    { "give back: string output", fact_give_back_string_out },
    { "give back: string input", fact_give_back_string_in },
    { "run: immediate_exit", fact_immediate_exit },
    { "run: a signal while L2 runs", fact_kick },
};

int main(int argc, char **argv)
{
    const char *lacking = vmm_lacking();

    if (lacking) {
        printf("Bail out! %s\n", lacking);
        return 2;
    }
    return tap_run(facts, sizeof(facts) / sizeof(facts[0]),
                   argc > 1 ? argv[1] : NULL);
}
