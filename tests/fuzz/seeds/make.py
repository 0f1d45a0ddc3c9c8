#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the seeds of the fuzz targets: each target's source says what its input is."""

import pathlib

HERE = pathlib.Path(__file__).resolve().parent

RAW, SEALED, ALTERED, RESIZED, NO_KEY = range(5)
HOST = 0xf0     # besides one of these: from one host to another


def change(offset, value):
    return bytes([offset, value])


def envelope(use, where=0, how=0, changes=(), payload=b'a payload', length=None):
    length = len(payload) if length is None else length
    return (bytes([use]) + where.to_bytes(2, 'big') + bytes([how, len(changes)]) +
            b''.join(changes) + length.to_bytes(4, 'big') + payload)


OPEN = {
    'raw': bytes([RAW]) + b'QSHD\1\1\1\3' + bytes(104),
    'good': envelope(SEALED),
    'empty': envelope(SEALED, payload=b''),
    'old-key': envelope(SEALED, how=2),
    'class-too-large': envelope(SEALED, how=1),
    'long': envelope(SEALED, length=4092),
    'too-long': envelope(SEALED, length=4093),
    'padding': envelope(SEALED, length=3),
    'version': envelope(SEALED, changes=[change(4, 2)]),
    'suite': envelope(SEALED, changes=[change(5, 9)]),
    'snapshot': envelope(SEALED, changes=[change(6, 2)]),
    'tag-length': envelope(SEALED, changes=[change(7, 57)]),
    'stale': envelope(SEALED, changes=[change(15, 4)]),
    'newest': envelope(SEALED, changes=[change(8, 255)]),
    'padded-length': envelope(SEALED, changes=[change(18, 0x20)]),
    'reserved': envelope(SEALED, changes=[change(20, 1)]),
    'salt': envelope(SEALED, changes=[change(24, 7)]),
    'unknown-key': envelope(SEALED, changes=[change(40, 7)]),
    'reflected': envelope(SEALED, changes=[change(48 + i, v) for i, v in enumerate(b'us\0\0')]),
    'other-guest': envelope(SEALED, changes=[change(58, ord('2'))]),
    'altered': envelope(ALTERED, where=8, how=1),
    'cut': envelope(RESIZED, where=4096),
    'trailing': envelope(RESIZED, where=5000),
    'host-good': envelope(HOST | SEALED),
    'host-altered': envelope(HOST | ALTERED, where=150),
    'host-signature': envelope(HOST | ALTERED, where=4350),
    'host-cut': envelope(HOST | RESIZED, where=4300),
    'host-other': envelope(HOST | SEALED, changes=[change(40, 7)]),
    'host-suite': envelope(HOST | SEALED, changes=[change(5, 1)]),
    'host-stale': envelope(HOST | SEALED, changes=[change(15, 4)]),
    'host-no-ephemeral-key': envelope(HOST | NO_KEY),
    'host-no-signer': envelope(HOST | NO_KEY, where=1),
    'host-low-signer': envelope(HOST | NO_KEY, where=9, how=19),
    'host-high-signer': envelope(HOST | NO_KEY, where=5, how=0xed),
    'host-no-signature': envelope(HOST | NO_KEY, where=2),
    'host-signed-nothing': envelope(HOST | NO_KEY, where=3),
}

REFUSE, CHANGE, HISTORY = 0x80, 0x40, 0x20


def write(reg, value):
    return bytes([reg, value])


def read(reg):
    return bytes([0x50 + reg, 0])


def typed(count, value=ord('x')):
    return bytes([0x90 + count, value])


def later(value, shift):
    return bytes([0xc0 + shift, value])


def state(*ops, flags=CHANGE, rest=b''):
    return bytes([flags | len(ops)]) + b''.join(ops) + rest


FIFO = [write(2, 7), write(1, 7), write(4, 11)]

LOAD = {
    'power-on': state(),
    'refused': state(flags=CHANGE | REFUSE),
    'output': state(*[write(0, ord(c)) for c in 'output']),
    'history': state(*[write(0, ord(c)) for c in 'history'], flags=CHANGE | HISTORY),
    'history-altered': state(*[write(0, ord(c)) for c in 'history'], flags=CHANGE | HISTORY,
                             rest=b'\0\x20\1'),
    'fifo-input': state(*FIFO, typed(15), typed(15), read(0)),
    'fifo-timeout': state(*FIFO, typed(3), later(255, 15), read(2), read(5)),
    'loopback': state(write(4, 0x1b), write(0, 65), read(5), read(0)),
    'divisor': state(write(3, 0x83), write(0, 1), write(1, 0), write(3, 3)),
    'held-writes': state(bytes([0xd1, 0]), write(0, 66), bytes([0xd0, 0]), read(5)),
    'reset': state(*FIFO, typed(9), bytes([0xe0, 0]), read(5)),
    'other-magic': state(rest=bytes([0, 0, 0])),
    'two-devices': state(rest=bytes([0, 7, 2])),
    'other-port': state(rest=bytes([0, 19, 1])),
    'nonsense': state(flags=0, rest=b'SDV1\0\0\0\1\4com1'),
}


(PROBE, BIND, UNBIND, REGISTER, RESET, STATE_SIZE, SAVE, RESTORE, COMMIT, ABORT, IRQ_POLL,
 QUERY) = range(12)
VM1, VM2, VM3 = range(3)
ADMIT = 15
TOKEN, UNPRIVILEGED, NESTED = 0x10, 0x20, 0x80
# Lengths, by their place in fuzz-ultracall.c
LENGTH = {8: 1, 24: 2, 31: 3, 32: 4, 272: 6, 4223: 7, 4224: 8, 4225: 9, 'huge': 12, 'all': 15}


def place(where):
    return where.to_bytes(2, 'big')


def call(number, tag=VM1, where=0, length=272, flags=0, caller=0):
    return (bytes([0, number | caller, tag]) + place(where) +
            bytes([LENGTH[length], flags]))


def enter(process=1, root=0, vmcb=0):
    return bytes([11 | process << 4, root, vmcb])


def enter_with_cookie(guest, root, vmcb):
    """What L0 has drawn for @guest is in the memory of who enters."""
    return bytes([11 | 0x80 | guest << 6, root, vmcb])


def port_read(where):
    return bytes([6, where])


def port_write(where, value):
    return bytes([7, where, 0, value])


def types(count, value=ord('y')):
    return bytes([9 | count << 4, value])


def wait(time=1):
    return bytes([12, time])


def place_envelope(guest, epoch, where=0x4000, alter=b'\0', history=False):
    return bytes([13 | history << 4, guest, epoch]) + place(where) + alter


def operator(what):
    return bytes([14 | what << 4])


def prove(where):
    return bytes([15, 0]) + place(where) + bytes([15, 1]) + place(where + 16)


SAVED = call(SAVE, length=4224) + wait() + call(SAVE, length=4224)
BOUND = enter() + call(BIND, length=8)
CLAIMED = call(BIND, length=8, flags=1)
BOUND2 = enter(2) + call(BIND, VM2, where=0x8000, length=8)
TAKEN = place_envelope(VM2, 5) + call(RESTORE, VM2, where=0x4000, length=4224)
PROVEN = (call(REGISTER, VM2, where=0x8000, length=32, flags=1, caller=NESTED) + prove(0x8000) +
          call(REGISTER, VM2, where=0x8000, length=32, flags=2, caller=NESTED))

ULTRACALL = {
    'probe': call(PROBE, length=24),
    'queries': call(QUERY) + call(QUERY, VM3) + call(STATE_SIZE) + call(IRQ_POLL),
    'commit': SAVED + call(COMMIT) + call(COMMIT) + operator(0),
    'abort': SAVED + call(ABORT) + SAVED + call(ABORT),
    'short': call(SAVE, length=4223) + call(PROBE, length=8) + call(BIND, length='huge'),
    'bound': BOUND + port_write(2, 65) + port_read(7) + call(UNBIND),
    'wide': BOUND + port_write(0x12, 65) + port_read(0x21) + port_read(0x29),
    'typed': BOUND + types(4) + port_read(7) + port_read(2) + call(IRQ_POLL),
    'lost-cookie': BOUND + bytes([10, 7]) + place(0) + port_read(2) + wait(),
    'restore': BOUND2 + TAKEN + port_read(7) + call(QUERY, VM2),
    'restore-unbound': BOUND2 + TAKEN + call(UNBIND, VM2) + TAKEN,
    'restore-stale': TAKEN + call(RESTORE, VM2, where=0x4000, length=4224),
    'restore-altered': place_envelope(VM2, 5, alter=b'\1\0\10') +
                       call(RESTORE, VM2, where=0x4000, length=4224),
    'restore-long': place_envelope(VM2, 5) + call(RESTORE, VM2, where=0x4000, length=4225),
    'restore-back': SAVED + call(COMMIT) + place_envelope(VM1, 9) +
                    call(RESTORE, where=0x4000, length=4224),
    'reflected': SAVED + call(COMMIT) + call(RESTORE, length=4224),
    'registered': enter(0, 1, 2) + call(REGISTER, length=32, caller=NESTED) + port_read(7) +
                  enter(0, 2, 2) + port_read(7) + enter(0, 2, 3) + port_read(7),
    'proven': enter(0, 3, 3) + PROVEN + port_read(7),
    'claimed': CLAIMED + enter_with_cookie(VM1, 1, 2) + port_write(2, 65) +
               enter(0, 1, 3) + port_read(7) + enter(0, 2, 3) + port_read(7) + wait(),
    'claimed-reused': CLAIMED + enter_with_cookie(VM1, 1, 2) + port_read(7) +
                      call(BIND, VM2, where=0x8000, length=8, flags=1) +
                      enter_with_cookie(VM2, 1, 2) + port_read(7) + wait(),
    'claimed-unbound': CLAIMED + call(UNBIND) + enter_with_cookie(VM1, 1, 2) + port_read(7) +
                       BOUND + CLAIMED,
    'claimed-proven': call(BIND, VM2, where=0x8000, length=8, flags=1) +
                      enter_with_cookie(VM2, 3, 3) + port_read(7) + PROVEN + port_read(7),
    'admitted': call(QUERY, caller=UNPRIVILEGED) + call(ADMIT, caller=UNPRIVILEGED) +
                call(ADMIT, where=0x40, caller=UNPRIVILEGED | TOKEN) +
                call(QUERY, where=0x1000, caller=UNPRIVILEGED) +
                call(ADMIT, where=0x1000, flags=1, caller=UNPRIVILEGED) + enter(2) +
                call(ADMIT, where=0x1000, caller=UNPRIVILEGED) +
                call(QUERY, where=0x40, caller=UNPRIVILEGED),
    'not-nested': call(SAVE, length=4224, caller=NESTED) + call(REGISTER, length=32),
    'removed': BOUND2 + operator(12) + call(QUERY, VM2) + port_read(7) + operator(14) + TAKEN,
    'cloud-vm-reset': BOUND + operator(4) + port_read(7),
    'reset': BOUND + types(3) + call(RESET) + port_read(2),
    'history': call(SAVE, length=4224, flags=2) + port_write(2, 65) +
               call(SAVE, length=4224, flags=4) + wait() + call(SAVE, length=4224, flags=4),
    'history-kept': BOUND2 + place_envelope(VM2, 5, history=True) +
                    call(RESTORE, VM2, where=0x4000, length=4224) + place_envelope(VM2, 6) +
                    call(RESTORE, VM2, where=0x4000, length=4224) + port_read(7),
    'late-writes': BOUND + SAVED + port_write(2, 65) + call(ABORT) + port_read(7),
}

TAKE, TAKE_OVER, RELEASE = bytes([0x40, 0]), bytes([0x40, 1]), bytes([0x40, 2])
OTHER_TAKES_OVER = bytes([0x41, 1])
TYPE, OTHER_TYPES, TYPE_AGAIN, TYPE_GAP = (bytes([0, 0x2c]), bytes([1, 0x2c]), bytes([0, 0x28]),
                                           bytes([0, 0x2e]))
READ, WRITE = bytes([0xa0, 0]), bytes([0x90, 9])


def raw(data):
    return bytes([0x80, len(data)]) + data


def frame(letter, payload=b'', lease=0, position=0):
    return (letter.encode() + bytes([0]) + len(payload).to_bytes(2, 'big') +
            lease.to_bytes(4, 'big') + position.to_bytes(8, 'big') + payload)


DOOR = {
    'typed': TAKE + TYPE + READ * 3 + TYPE_AGAIN + TYPE_GAP + READ * 3,
    'full': TAKE + TYPE * 30 + READ * 70,
    'taken-over': TAKE + TYPE + OTHER_TAKES_OVER + TYPE + OTHER_TYPES + READ * 6 + RELEASE,
    'break': TAKE + TYPE + bytes([0x50, 0]) * 2 + TYPE + READ * 8,
    'output': bytes([0x60, 4]) + WRITE * 12 + bytes([0x61, 2]) + WRITE,
    'held': TAKE + TYPE + bytes([0xc1, 0]) + TYPE + OTHER_TAKES_OVER + bytes([0xc0, 0]) + READ,
    'detached': TAKE + TYPE + bytes([0xd0, 0]) + TYPE + bytes([0xd1, 0]) + TAKE + TYPE + READ * 6,
    'broken': TAKE + TYPE + bytes([0xe1, 0]) + TYPE + TAKE + READ * 4,
    'new-life': TAKE + bytes([0xf2, 0]) + TYPE + bytes([0x60, 0x80]),
    'comes-back': TAKE + TYPE + bytes([0xf0, 0]) + TYPE + TAKE + TYPE + READ * 4,
    'raw-hello': raw(frame('H', b'\1eve')) + raw(frame('P', b'x')),
    'raw-early': raw(frame('I', b'x', 1)),
    'raw-version': raw(frame('H', b'\2')),
    'raw-long': raw(frame('H', b'\1') + b'I\0\xff\xff' + bytes(12)),
    'raw-half': raw(frame('H', b'\1') + b'I\0\0\4'),
    'raw-types': raw(frame('H', b'\1') + frame('I', b'x', 1) + frame('B', bytes(8), 1) +
                     frame('W', b'r') + frame('G', b'e')),
}


IS_64, IS_32, HAS_IF = 1, 2, 4
SAME, NEXT = 0, 0x40
INTERRUPT = 0x80000041
EXITS = ('cpuid msr rdpmc xsetbv io vmmcall cr0 cr4 cr8 cr0-sel hlt pause monitor mwait invd wbinvd '
         'npf intr').split()


def vcpu(code, insn, info=0, how=IS_64 | HAS_IF, fault=0, regs=(), rip=NEXT, event=INTERRUPT,
         given=0xa5):
    regs = [*regs, (15, 0), (15, 0)][:2]
    return (bytes([EXITS.index(code)]) + info.to_bytes(4, 'big') + bytes([how]) +
            fault.to_bytes(8, 'big') +
            b''.join(bytes([reg]) + value.to_bytes(8, 'big') for reg, value in regs) +
            bytes([rip]) + event.to_bytes(4, 'big') + bytes([given]) + bytes.fromhex(insn))


RAX, RCX, RDX, RDI = 0, 1, 2, 7
MMIO = 0xfee00300
VCPU = {
    'cpuid': vcpu('cpuid', '0fa2', regs=[(RAX, 1)]),
    'cpuid-16': vcpu('cpuid', '0fa2', how=0),
    'rdmsr': vcpu('msr', '0f32'),
    'wrmsr': vcpu('msr', '0f30', 1),
    'wrmsr-efer': vcpu('msr', '0f30', 1, regs=[(RCX, 0xc0000080), (RAX, 0x501)]),
    'wrmsr-icr': vcpu('msr', '0f30', 1, regs=[(RCX, 0x830), (RAX, 0xc4608)]),
    'rdpmc': vcpu('rdpmc', '0f33'),
    'xsetbv': vcpu('xsetbv', '0f01d1', regs=[(RAX, 7)]),
    'in': vcpu('io', 'ec', 0x900011),
    'in-word': vcpu('io', '66ed', 0x900021),
    'out': vcpu('io', 'ef', 0x900040),
    'ins': vcpu('io', 'f36c', 0x90001d),
    'vmmcall': vcpu('vmmcall', '0f01d9'),
    'vmmcall-32': vcpu('vmmcall', '0f01d9', how=IS_32),
    'cr0': vcpu('cr0', '0f22c0'),
    'cr0-lock': vcpu('cr0', 'f00f22c0'),
    'clts': vcpu('cr0', '0f06'),
    'lmsw': vcpu('cr0-sel', '0f01f0'),
    'cr4': vcpu('cr4', '410f22e7'),
    'hlt': vcpu('hlt', 'f4', rip=SAME),
    'pause': vcpu('pause', 'f390'),
    'load': vcpu('npf', '8b07', fault=MMIO, regs=[(RDI, MMIO)]),
    'load-high': vcpu('npf', '8a27', fault=MMIO, regs=[(RDI, MMIO)]),
    'load-sign': vcpu('npf', '480fbe07', fault=MMIO, regs=[(RDI, MMIO)]),
    'store': vcpu('npf', '8907', fault=MMIO, regs=[(RDI, MMIO), (RAX, 0x608)]),
    'store-number': vcpu('npf', 'c70778563412', fault=MMIO, regs=[(RDI, MMIO)]),
    'store-32': vcpu('npf', '8907', how=IS_32, fault=MMIO, regs=[(RDI, MMIO)]),
    'interrupt': vcpu('intr', '90', rip=SAME),
    'exception': vcpu('msr', '0f32', rip=SAME, event=0x80000b0d),
}

SESSION, RECORD, PAGES_STATE, BEGIN, EXPORT, PAGES_SAVE, ANY, LATER = 0, 2, 6, 8, 9, 11, 12, 14
# numbers of operate_any()
ANY_BIND, ANY_UNBIND, ANY_RESET, ANY_COMMIT, ANY_ABORT, ANY_RUN, ANY_PAGES = range(7)
LOST, ALTERED_RECORD, CUT, AGAIN = 0x10, 0x20, 0x40, 0x80


def session(epoch=1, how=0, more=b''):
    return bytes([SESSION | how, epoch]) + more


def record(*runs, how=0, more=b''):
    """Runs are (first page, how many, what is in it, or 1 for zeros)"""
    return (bytes([RECORD | how, len(runs), 0]) +
            b''.join(bytes([what, n, first]) for first, n, what in runs) + more)


def vcpus(epoch=2, how=0, n=1, places=(0,), starts=()):
    return bytes([PAGES_STATE | how, epoch, n, len(starts), *places,
                  *[field for start in starts for field in start]])


def anything(number, *more):
    return bytes([ANY, number, *more])


SOME = record((3, 2, 0x12), (9, 4, 1))
ALL_ARRIVED = session() + SOME + record((200, 4, 0x14)) + vcpus()
RUNS = anything(ANY_BIND) + ALL_ARRIVED + anything(ANY_RUN)
UNSENT = anything(ANY_PAGES, 4, 0)
SENT = bytes([BEGIN]) + UNSENT * 2 + bytes([EXPORT, 1] * 4)
SAVED_PAGES = SENT + bytes([PAGES_SAVE] * 3)
PAGES = {
    'arrived': ALL_ARRIVED,
    'runs': RUNS,
    'leaves': RUNS + SAVED_PAGES,
    'taken-back': RUNS + SAVED_PAGES + anything(ANY_COMMIT) + anything(ANY_ABORT) + SAVED_PAGES,
    'given-away': RUNS + SAVED_PAGES + anything(ANY_COMMIT) + anything(ANY_UNBIND) +
                  session(9) + SOME + vcpus(10),
    'back-too-early': RUNS + SAVED_PAGES + anything(ANY_COMMIT) + session(9) + vcpus(10),
    'aborted': RUNS + SAVED_PAGES + anything(ANY_ABORT) + bytes([PAGES_SAVE]),
    'unsent': RUNS + bytes([BEGIN, EXPORT, 0, 0, 2, 0, 0]) + bytes([PAGES_SAVE] * 2),
    'never-begun': RUNS + bytes([PAGES_SAVE] * 3),
    'history': RUNS + SENT + bytes([PAGES_SAVE | 0x20] * 2 + [EXPORT, 1]),
    'lost': session() + record((1, 1, 1), how=LOST) + SOME + vcpus(),
    'late': session() + record((1, 1, 1), how=LOST) + bytes([RECORD | AGAIN]) + vcpus(),
    'doubled': session() + SOME + bytes([RECORD | AGAIN]) + vcpus(),
    'altered': session() + record((1, 1, 1), how=ALTERED_RECORD, more=bytes([1, 0, 0, 0, 30])) +
               bytes([RECORD | AGAIN]) + vcpus(),
    'cut': session() + record((1, 1, 1), how=CUT, more=bytes([0, 1])) + vcpus(),
    'beyond': session() + record((255, 2, 1)) + SOME + vcpus(),
    'no-run': session() + record() + vcpus(),
    'too-early': session() + vcpus() + SOME,
    'again': session() + SOME + session(2) + SOME + vcpus(3),
    'wrong-size': session(how=0x10),
    'wrong-guest': session(how=0x80),
    'cut-session': session(how=0x40, more=bytes([30])),
    'altered-session': session(how=0x20, more=bytes([1, 0, 120])),
    'ended': session() + SOME + anything(ANY_PAGES, 8, 0) + vcpus(),
    'two-places': session() + SOME + vcpus(n=2, places=(5, 5)),
    'starts': session() + SOME + vcpus(n=2, places=(5, 6), starts=((1, 2, 0), (2, 0, 1))),
    'starts-of-one': session() + SOME + vcpus(n=2, places=(5, 6), starts=((1, 2, 0), (2, 2, 0))),
    'not-launched': session() + SOME + vcpus(how=0x10) + anything(ANY_BIND) + anything(ANY_RUN),
    'unbound': ALL_ARRIVED + anything(ANY_BIND) + anything(ANY_UNBIND) + session(3) + SOME,
    'reset': RUNS + SENT + anything(ANY_RESET) + bytes([EXPORT, 1, PAGES_SAVE, PAGES_SAVE]),
}


def main():
    for target, seeds in {'open': OPEN, 'load': LOAD, 'ultracall': ULTRACALL, 'door': DOOR,
                          'vcpu': VCPU, 'pages': PAGES}.items():
        folder = HERE / target
        folder.mkdir(exist_ok=True)
        for name, data in seeds.items():
            (folder / name).write_bytes(data)


main()
