# SPDX-License-Identifier: GPL-2.0-or-later
"""What root of the cloud VM sees of port accesses: KVM's own tracepoint."""

import dataclasses
import re

from .patience import LONG

TRACING = '/sys/kernel/tracing'
LINE = re.compile(r'pio_(read|write) at (0x[0-9a-f]+) size \d+ count \d+ val (0x[0-9a-f]+)')


def console_bytes(accesses):
    """(what the guest sent to its user, what the user typed), of accesses to a serial port's
    registers, each as (whether it is a write, register, value)"""
    written, read, divisor = bytearray(), bytearray(), False
    for write, register, value in accesses:
        if register == 3 and write:
            divisor = bool(value & 0x80)    # registers 0 and 1 are the speed
        elif register == 0 and not divisor and (value or write):
            (written if write else read).append(value & 0xff)
    return bytes(written), bytes(read)


@dataclasses.dataclass
class Seen:
    total: int              # port accesses of any kind
    serial: int             # of those, at the serial port
    lost: int               # trace entries that did not fit
    written: bytes          # what the guest sent to its user
    read: bytes             # what the user typed


class PioTrace:
    def __init__(self, host, base=0x3f8):
        self.host, self.base = host, base

    def start(self):
        self.host.run(f'cd {TRACING} && echo 0 >tracing_on && echo 49152 >buffer_size_kb '
                      f'&& echo nop >current_tracer && echo >trace '
                      f'&& echo 1 >events/kvm/kvm_pio/enable && echo 1 >tracing_on',
                      check=True)
        return self

    def stop(self, timeout=LONG):
        _, output = self.host.run(
            f'cd {TRACING} && echo 0 >tracing_on && echo 0 >events/kvm/kvm_pio/enable; '
            f'grep kvm_pio trace >/tmp/pio; wc -l </tmp/pio; '
            f'cat per_cpu/cpu*/stats | sed -n "s/^overrun: //p" | '
            f'awk "{{ n += \\$1 }} END {{ print n }}"; '
            f'sed -n "s/.*kvm_pio: //p" /tmp/pio | '
            f'grep -E "at 0x{self.base >> 4:x}[{self.base & 15:x}-f] " | '
            f'gzip -1 | base64; rm -f /tmp/pio; echo 4 >buffer_size_kb', timeout)
        return self._decode(output)

    def _decode(self, output):
        import base64
        import gzip
        total, lost, *rest = output.split('\n')
        text = gzip.decompress(base64.b64decode(''.join(rest))).decode()
        lines = LINE.findall(text)
        written, read = console_bytes(
            (direction == 'write', int(port, 16) - self.base, int(value, 16))
            for direction, port, value in lines)
        return Seen(int(total), len(lines), int(lost), written, read)
