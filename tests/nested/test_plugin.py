# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's own QEMU in the cloud VM, with the agent as a plug-in; started by shadow-run, as a user
who may use KVM and nothing else.  Our package is unpacked there, and its postinst was run."""

import shlex

QEMU = '64055'      # the user that it runs as, see lab/debian.py


def test_login_is_not_seen(plugin_pair):
    text, seen = plugin_pair.console.text(), plugin_pair.seen
    assert 'SeaBIOS' in text and 'login: ' in text, text[:2000]
    assert seen.total > 0 and seen.lost == 0 and seen.serial == 0, seen
    state = plugin_pair.source.guest()
    assert state['bound-by-process'] and state['protection'] == 'forced', state


def test_emulator_has_no_rights(plugin_pair):
    """And no configuration space of the PCI function is open."""
    pid = '$(cat /tmp/vm1.pid)'
    run = plugin_pair.source.run
    status = run(f'cat /proc/{pid}/status', check=True)[1]
    fields = dict(line.split(':', 1) for line in status.splitlines())
    assert fields['Uid'].split() == [QEMU] * 4, status
    for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'):
        assert int(fields[name], 16) == 0, status
    exe = run(f'readlink /proc/{pid}/exe', check=True)[1]
    assert exe == '/usr/bin/qemu-system-x86_64\n', exe
    files = run(f'ls -l /proc/{pid}/fd', check=True)[1]
    assert '/dev/uio0' in files and '/config' not in files, files


def test_ordinary_port_beside(plugin_pair):
    """-serial null has COM1's ACPI node, the agent writes COM2's only: of a second one the user
    VM's kernel would complain.  Interrupts arrive."""
    console = plugin_pair.console
    paths = console.command('cat /sys/bus/acpi/devices/PNP0501:*/path')[1].split()
    assert sorted(path.split('.')[-1] for path in paths) == ['COM1', 'COM2'], paths
    assert 'ACPI' not in console.text(), console.text()[:2000]
    assert 'dev: isa-serial' in plugin_pair.inner.qmp.hmp('info qtree')
    lines = console.command('cat /proc/interrupts')[1].splitlines()
    line, = (line.split() for line in lines if line.endswith('ttyS0'))
    assert line[0] == '4:' and int(line[1]) > 10, lines
    assert console.command('seq 1 2000') == (0, ''.join(f'{n}\n' for n in range(1, 2001)))


# --- the plug-in, in Debian's QEMU on this machine ---

AGENT = ('-device', 'shadow-agent,guest=vm1')


def test_plugin_is_loaded():
    """The device is known then; this machine has no bus for it."""
    from lab.debian import load
    status, output = load('shadow-agent.so', *AGENT)
    assert status == 1 and "No 'ISA' bus found for device 'shadow-agent'" in output, output


def test_plugin_of_another_package():
    """It ends with a line that has both versions, and does not crash."""
    from lab.debian import load
    status, output = load('refused/package.so', *AGENT)
    line = output.splitlines()[0]
    assert status == 1, (status, output)
    for text in ('shadow-agent is for QEMU', '~other)', 'this is QEMU'):
        assert text in line, output


def test_plugin_of_another_build():
    from lab.debian import load
    status, output = load('refused/build.so', *AGENT)
    assert status == 1 and 'for another build of QEMU' in output.splitlines()[0], (status, output)


def test_plugin_twice():
    from lab.debian import VARIANT, load
    from lab import ROOT
    plugin = f'{VARIANT or f"{ROOT}/build/plugin"}/./shadow-agent.so'    # QEMU compares names
    status, output = load('shadow-agent.so', '-plugin', f'file={plugin}', *AGENT)
    assert status == 1 and 'has a shadow-agent already' in output.splitlines()[0], (status, output)
    status, output = load('shadow-agent.so,guest=vm1')
    assert status == 1 and 'has no options' in output.splitlines()[0], (status, output)


# --- shadow-run ---

def test_run_gives_ports_and_no_capability(plugin_pair):
    """For root too, whose programs would have all of them."""
    from lab.uservm import report_checks
    for who in ('/bin/as-qemu', ''):
        command = f"{who} /usr/bin/shadow-run /bin/sh -c 'exec run-rights'"
        report_checks(command, *plugin_pair.source.run(command))


def test_run_is_for_few(plugin_pair):
    run = plugin_pair.source.run
    status, output = run('su user -c "/usr/bin/shadow-run id"')
    assert status and 'ermission denied' in output and 'uid=' not in output, output
    status, output = run('/bin/as-qemu setpriv --nnp /usr/bin/shadow-run id')
    assert status and 'no_new_privs' in output and 'uid=' not in output, output
    # not by I/O permission that shadow-run gives, nor without
    status, output = run('su user -c run-rights')
    assert status and 'FAIL PROBE' in output, output


def test_run_is_not_misled(plugin_pair):
    """By what a loader takes from the environment, nor by having no arguments at all."""
    run = plugin_pair.source.run
    command = 'LD_PRELOAD=/tmp/any.so LD_LIBRARY_PATH=/tmp /usr/bin/shadow-run ' \
              'sh -c \'echo "<$LD_PRELOAD$LD_LIBRARY_PATH>"\''
    status, output = run(f'/bin/as-qemu sh -c {shlex.quote(command)}')
    assert status == 0 and output == '<>\n', output
    status, output = run('/bin/as-qemu run-rights empty /usr/bin/shadow-run')
    assert status == 2 and output.startswith('usage: shadow-run'), output


def test_agent_names_the_right(plugin_pair):
    """What is missing, when it is missing."""
    from lab.debian import PLUGIN, QEMU as DEBIAN
    from lab.uservm import refused
    host = plugin_pair.source
    error = refused(host, 'other', guest='vm1',
                    emulator=f'/bin/as-qemu /{DEBIAN} -plugin file=/{PLUGIN}')
    assert 'may not use the ultracall device' in error and 'shadow-run' in error, error
    host.run('chmod 0600 /dev/uio0', check=True)
    error = refused(host, 'other', guest='vm1', emulator='/bin/as-qemu /usr/bin/qemu-shadow-agent')
    host.run('chmod 0660 /dev/uio0', check=True)
    assert 'cannot open /dev/uio0' in error and f'User {QEMU} ' in error, error


def test_ordinary_port_of_another_kind(plugin_pair):
    """Its ACPI node would be wrong for the shadow device."""
    from lab.uservm import refused
    error = refused(plugin_pair.source, 'other', guest='vm1',
                    emulator='/bin/as-qemu /usr/bin/qemu-shadow-agent',
                    serial='none -chardev null,id=n -device isa-serial,chardev=n,irq=3')
    assert 'with index 0 and interrupt 3' in error and 'index=0,irq=4' in error, error


def test_private_memory(config):
    """The package has what starts in place of a kernel; the agent carries the memory to another host."""
    from lab.debian import DebianPair
    from lab.private import MemoryWork
    with DebianPair(config) as pair:
        pair.start_session(private=True)
        assert pair.source.guest()['protection'] == 'private', pair.source.guest()
        work = MemoryWork(pair.console)
        pair.add_target(2)
        first = pair.source
        info, _, _ = pair.migrate(pair.console)
        assert info['status'] == 'completed' and pair.source is not first, info
        pair.check_session()
        work.check()
        guest = pair.source.guest()
        assert guest['protection'] == 'private' and not guest['memory']['refused'], guest


# --- last, since the user VM is in another QEMU then ---

def test_migration_during_transfer(plugin_pair):
    """There, where the ordinary port has a file, in which nothing arrives; and back into the
    QEMU that we build."""
    from test_migration import migrate_in_transfer
    pair = plugin_pair
    with pair.waiting_target():
        first, second = pair.source, pair.target
        pair.options['serial'] = 'file:/tmp/nothing'
        migrate_in_transfer(pair)
        assert pair.source is second and second.guest()['bound-by-process'], second.guest()
        assert first.guest()['state'] == 'gone', first.guest()
        assert 'nothing will arrive at chardev' in pair.inner.log(), pair.inner.log()
        pair.options['emulator'] = '/bin/qemu'
        migrate_in_transfer(pair)
        assert first.guest()['state'] == 'active', first.guest()
        assert second.run('cat /tmp/nothing') == (0, '')
