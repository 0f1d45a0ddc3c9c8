/*
 * The facts, by subject.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FACTS_H
#define FACTS_H

#include "l1.h"
#include "tap.h"

/* facts-calls.c */
void fact_xen_kernel(void);
void fact_xen_user(void);
void fact_xen_kvm_hypercalls(void);
void fact_xen_before_vcpus(void);
void fact_vmcall_patched(void);
void fact_vmcall_read_only_page(void);
void fact_vmcall_read_only_slot(void);
void fact_map_gpa_kernel(void);
void fact_map_gpa_user(void);
void fact_map_gpa_and_xen(void);
void fact_doorbell(void);
void fact_doorbell_refused(void);

/* facts-l2calls.c */
void fact_l2_call_intercepted(void);
void fact_l2_call_not_intercepted(void);

/* facts-nested.c */
void fact_io_intercepted(void);
void fact_io_passed(void);
void fact_io_passed_shadow_paging(void);
void fact_io_edge(void);
void fact_io_string_out(void);
void fact_io_string_in(void);
void fact_guest_mode_flag(void);
void fact_nested_state(void);
void fact_map_nowhere(void);
void fact_immediate_exit(void);
void fact_kick(void);

/* facts-held.c */
void fact_held_map_read(void);
void fact_held_map_written(void);
void fact_held_map_locked(void);
void fact_held_map_emulation(void);
void fact_slots_under_l2(void);
void fact_translate(void);

/* facts-giveback.c */
void fact_give_back_out(void);
void fact_give_back_in(void);
void fact_give_back_sizes(void);
void fact_give_back_settled(void);
void fact_give_back_shadow_paging(void);
void fact_give_back_once(void);
void fact_give_back_interrupt(void);
void fact_give_back_emulated(void);

/* facts-strings.c */
void fact_give_back_string_out(void);
void fact_give_back_string_in(void);

#endif /* FACTS_H */
