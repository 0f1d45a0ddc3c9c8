# SPDX-License-Identifier: GPL-2.0-or-later
"""A user VM with private memory at work: its devices, clocks and processors, and what the
operator of the cloud VM sees of it meanwhile."""

import re
import secrets
import time

import lab


def run(vm, command):
    status, output = vm.console.command(command, 2 * lab.LONG)
    assert status == 0, f'{command}: {status}: {output}'
    return output


def sums(output):
    return re.findall(r'\b[0-9a-f]{64}\b', output)


def test_disk(private_vm):
    """What is written is what L1 has, and what is read back, past the page cache and through it."""
    run(private_vm, 'dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null')
    run(private_vm, 'dd if=/tmp/data of=/dev/vda bs=128k oflag=direct conv=fsync 2>/dev/null')
    run(private_vm, 'echo 3 >/proc/sys/vm/drop_caches')
    mine = sums(run(private_vm, 'sha256sum </tmp/data; head -c 8388608 /dev/vda | sha256sum; '
                    'dd if=/dev/vda bs=128k count=64 iflag=direct 2>/dev/null | sha256sum'))
    theirs = sums(private_vm.host.run('head -c 8388608 /tmp/disk | sha256sum')[1])
    assert len(mine) == 3 and set(mine) == set(theirs), (mine, theirs)


def test_filesystem(private_vm):
    run(private_vm, 'mke2fs /dev/vda >/dev/null && mkdir -p /mnt && mount -t ext4 /dev/vda /mnt')
    run(private_vm, 'for i in 1 2 3 4 5 6; do '
                    'head -c 2097152 /dev/urandom >/mnt/$i; done; '
                    'cd /mnt && sha256sum ? >/tmp/sums')
    run(private_vm, 'cd /; umount /mnt && mount -t ext4 /dev/vda /mnt && cd /mnt && '
                    'sha256sum -c /tmp/sums')
    run(private_vm, 'cd /; umount /mnt')


def test_network(private_vm):
    """To a program in the cloud VM and back; one that receives has an input that does not end."""
    run(private_vm, 'ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0; '
                    'dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null; mkfifo /tmp/open')
    private_vm.host.run('mkfifo /tmp/open; (nc -l -p 7000 <>/tmp/open >/tmp/received; '
                        'nc -l -p 7001 </tmp/received) >/dev/null 2>&1 &', check=True)
    answer = sums(run(private_vm, 'nc 10.0.2.2 7000 </tmp/data; sleep 1; '
                      'nc 10.0.2.2 7001 <>/tmp/open | sha256sum; sha256sum </tmp/data'))
    theirs = sums(private_vm.host.run('sha256sum </tmp/received')[1])
    assert len(answer) == 2 and set(answer) == set(theirs), (answer, theirs)


def test_balloon(private_vm):
    """The guest has no use for it: what it would give away is not L1's."""
    from lab.private import MEMORY
    said = run(private_vm, 'dmesg')
    assert 'must provide VIRTIO_F_ACCESS_PLATFORM' in said or \
        re.search(r'virtio_balloon .*failed|device does not support', said), said
    before = private_vm.inner.qmp.cmd('query-memory-size-summary')
    assert before['base-memory'] == MEMORY << 20, before
    assert not run(private_vm, 'ls /sys/bus/virtio/drivers/virtio_balloon | grep virtio; true')


def test_processor(private_vm):
    private_vm.checks('check-processor')


def test_clocks(private_vm):
    """Each of them goes on, as fast as L1's clock within a factor that no load makes."""
    where = '/sys/devices/system/clocksource/clocksource0'
    names = run(private_vm, f'cat {where}/available_clocksource').split()
    assert {'kvm-clock', 'hpet', 'acpi_pm'} <= set(names), names
    for name in [*names, 'kvm-clock']:
        run(private_vm, f'echo {name} >{where}/current_clocksource')
        started, first = time.monotonic(), float(run(private_vm, 'cut -d" " -f1 /proc/uptime'))
        run(private_vm, 'sleep 2')
        passed = float(run(private_vm, 'cut -d" " -f1 /proc/uptime')) - first
        most = time.monotonic() - started
        assert 1.9 < passed < most + 0.5, (name, passed, most)


def test_rtc(private_vm):
    """It is read, written, and its alarm rings."""
    run(private_vm, 'hwclock -u -w && hwclock -u -r')
    year = run(private_vm, 'date -u +%Y').strip()
    assert year in run(private_vm, 'hwclock -u -r'), year
    run(private_vm, 'n=$(grep -c . /proc/interrupts); '
                    'a=$(awk "/rtc0/{print \\$2+\\$3}" /proc/interrupts); '
                    'echo +2 >/sys/class/rtc/rtc0/wakealarm; sleep 5; '
                    'b=$(awk "/rtc0/{print \\$2+\\$3}" /proc/interrupts); [ $b -gt $a ]')


def test_mtrr(private_vm):
    """They are the cloud VM's word: one is changed, and the memory there is as it was."""
    run(private_vm, 'dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null; '
                    'sha256sum </tmp/data >/tmp/sum')
    run(private_vm, 'echo base=0x4000000 size=0x4000000 type=uncachable >/proc/mtrr; '
                    'grep -q base=0x004000000 /proc/mtrr')
    run(private_vm, 'sha256sum </tmp/data | cmp - /tmp/sum; dd if=/dev/urandom of=/tmp/more bs=1M '
                    'count=32 2>/dev/null; sha256sum </tmp/more; rm /tmp/more')
    run(private_vm, 'n=$(sed -n "s/^reg\([0-9]*\): base=0x004000000.*/\\1/p" /proc/mtrr); '
                    'echo disable=$((10#$n)) >/proc/mtrr; ! grep base=0x004000000 /proc/mtrr')


def test_cpu_off_and_on(private_vm):
    online = '/sys/devices/system/cpu/cpu1/online'
    for _ in range(3):
        run(private_vm, f'echo 0 >{online}')
        assert run(private_vm, 'nproc') == '1\n'
        run(private_vm, f'echo 1 >{online}')
        assert run(private_vm, 'nproc') == '2\n'
    run(private_vm, 'taskset 2 sha256sum /bin/busybox')


def test_exits_wake_nobody(private_vm):
    """An exit is between L1 and its guest: the outer QEMU's main loop waits for no entry."""
    seen = {'name': 'shadow_guest_seen'}
    run(private_vm, 'measure cpuid 1000')
    private_vm.host.qmp.cmd('trace-event-set-state', enable=True, **seen)
    run(private_vm, 'measure cpuid 20000')
    private_vm.host.qmp.cmd('trace-event-set-state', enable=False, **seen)
    assert seen['name'] not in private_vm.host.log()


def test_nothing_strange(private_vm):
    """After all that"""
    from lab.private import check_nothing_strange
    check_nothing_strange(private_vm)
    assert private_vm.state()['memory']['vcpus'] == 2


def hold_register(vm):
    """What a program of the guest has in its registers from now on, as they may be printed"""
    text = secrets.token_hex(4)
    run(vm, f'hold-register {text} >/dev/null 2>&1 & sleep 1')
    return text.encode().hex(), text.encode()[::-1].hex()


def test_monitor(private_vm):
    """The view, and frames in which nothing is, but for what the guest shares"""
    held = hold_register(private_vm)
    qmp = private_vm.inner.qmp
    qmp.cmd('stop')
    said = qmp.hmp('info registers -a').lower()
    assert not any(value in said for value in held), said
    for name in ('rax', 'rsp', 'r8 ', 'r12', 'cr3'):
        assert re.search(rf'{name}=0{{16}}\b', said), (name, said)
    assert 'rip=0000000000001' in said, said
    assert 'Cannot access memory' in qmp.hmp('x/4xg 0xffffffff81000000')
    begin, end = (int(n, 16) for n in re.search(r'(\w+)-(\w+) : Kernel code', run_stopped(
        private_vm, 'cat /proc/iomem')).groups())
    for at in range(begin, end, (end - begin) // 8):
        words = re.findall(r'0x(\w{16})', qmp.hmp(f'xp/64xg {at:#x}'))
        assert len(words) == 64 and not any(int(word, 16) for word in words), (hex(at), words)
    qmp.cmd('cont')


def run_stopped(vm, command):
    """In the guest, which runs for so long"""
    vm.inner.qmp.cmd('cont')
    output = run(vm, command)
    vm.inner.qmp.cmd('stop')
    return output


def test_debugger(private_vm):
    """It sees the view, and no memory. What it would change the guest does not take: it ends."""
    from lab.gdbstub import GdbStub, STOPPED
    held = hold_register(private_vm)
    gdb = GdbStub(private_vm.host, private_vm.inner)
    assert gdb.ask('?').startswith(STOPPED)
    registers = gdb.ask('g')
    assert len(registers) > 500 and not any(value in registers for value in held), registers
    assert gdb.ask('mffffffff81000000,40').startswith('E')
    assert gdb.ask('Z1,ffffffff81000000,1') == 'OK'
    assert gdb.ask('Z0,ffffffff81000000,1').startswith('E')
    assert gdb.ask('P10=0000000000000000') == 'OK'      # RIP
    gdb.send('c')
    assert lab.wait_until(lambda: private_vm.inner.qmp.cmd('query-status')['status'] ==
                          'internal-error')
    assert private_vm.state()['memory']['refused'] == 1, private_vm.state()
    gdb.close()
