/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slow the nested guest down, just so much that its private memory can be sent.
 */
#ifndef SHADOW_AGENT_THROTTLE_H
#define SHADOW_AGENT_THROTTLE_H

#include "shadow/hw/misc/shadow-agent.h"

/* A migration begins to send private memory. */
void shadow_agent_throttle_start(ShadowAgent *a);

/* So many bytes were written to it. */
void shadow_agent_throttle_sent(ShadowAgent *a, uint64_t bytes);

/* @a->unsent has just been counted. */
void shadow_agent_throttle_round(ShadowAgent *a);

/* Whether it is not to be stopped yet: more is left than fits its limit. */
bool shadow_agent_throttle_holds(ShadowAgent *a);

/* The guest stands still, and @a->unsent is what is left. */
void shadow_agent_throttle_stopped(ShadowAgent *a);

/* It has ended; the guest is not slowed down any more. */
void shadow_agent_throttle_stop(ShadowAgent *a);

#endif /* SHADOW_AGENT_THROTTLE_H */
