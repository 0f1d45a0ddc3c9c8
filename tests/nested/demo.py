#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job: a login session whose console L1 cannot see, and a live migration."""

import contextlib
import importlib

import lab
from lab import program
from lab.program import say

SECRET = 'the-combination-is-4711'
SIZE = 200 * 1024
PRIVATE_SIZE = 32 * 1024        # there is much else that it does
EMULATED_SIZE = 16 * 1024       # a byte takes a hundred times as long there
MARK = 'still-the-same-session'
CLOUDS = {
    'kvm': ('pair', 'Pair'),
    'plugin': ('debian', 'DebianPair'),
    'libvirt': ('libvirt', 'LibvirtPair'),
    'xen': ('xen', 'TwoXens'),
}


def printable(data):
    return ''.join(chr(c) if 32 <= c < 127 else '.' for c in data)


def type_secret(console):
    if lab.PASSWORD in console.login(lab.USER, lab.PASSWORD):
        raise RuntimeError('the password was echoed')
    console.command(f'echo {SECRET} > /tmp/note')


def show_seen(seen_by, plain, shadow):
    """What root of L1 has of the same session on either console."""
    def tail(data):
        return '...' + printable(data)[-29:] if data else '(nothing)'

    rows = [('', 'isa-serial', 'shadow-serial'),
            (f'port accesses seen by {seen_by}', plain.total, shadow.total),
            ('of them at 0x3f8-0x3ff', plain.serial, shadow.serial),
            ('what the user typed', printable(plain.read)[:32] or '(nothing)',
             printable(shadow.read)[:32] or '(nothing)'),
            ('what the user saw', tail(plain.written), tail(shadow.written))]
    for row in rows:
        print(f'           {row[0]:26} {row[1]!s:34} {row[2]}', flush=True)


def watch_isa_serial(pair):
    console, end = pair.start_plain()
    console.send('\r')
    console.expect('login: ')
    trace = pair.watch()
    console.send('\r')
    type_secret(console)
    seen = trace.stop()
    console.close()
    end()
    return seen


def watch_shadow(pair):
    # From the first instruction on: not one access of the firmware is missed.
    trace = pair.watch()
    console = pair.boot('vm1')
    console.expect(pair.FIRMWARE)
    say('  firmware messages arrive on the shadow console')
    console.expect('Linux version [^ ]*')
    say('  kernel log arrives on the shadow console')
    type_secret(console)
    return console, trace.stop()


def migrate_in_transfer(pair, console, size):
    from lab.transfer import Transfer
    _, pid = console.command(f'export TRANSFER_MARK={MARK}; echo $$')
    transfer = Transfer(console, size, window=32).start()
    say(f'  transfer of {size >> 10} KiB each way has started')
    lab.wait_until(lambda: transfer.progress > 0)
    pair.migrate_start()
    say(f'  migration started with {transfer.progress:.0%} of the transfer done')
    info, saved, restored = pair.migrate_finish(console)
    at = transfer.progress
    say(f'  migration {info["status"]} with {at:.0%} of the transfer done; '
        f'shadow-console is at {console.news()[-1]["host"]}')
    from_guest, to_guest = transfer.finish()
    say(f'  transfer ended: from guest {from_guest}, to guest {to_guest}')
    for line in transfer.strange:
        say(f'  not a line of the transfer: {line!r}')
    survived = False
    if info['status'] == 'completed':
        _, answer = console.command('echo $TRANSFER_MARK $$ $USER; cat /tmp/note')
        survived = answer.split() == [MARK, pid.strip(), lab.USER, SECRET]
        say(f'  the shell on {pair.source.name} answers: {" ".join(answer.split())}')
    return dict(info=info, saved=saved, restored=restored, at=at, gap=console.gap,
                from_guest=from_guest, to_guest=to_guest, survived=survived,
                mark=transfer.report.get('mark') == MARK)


def move_private(beside):
    """The user VM with private memory goes to another host, too, under work that verifies it."""
    guest = beside.wait()
    if guest['protection'] != 'private':
        raise RuntimeError(f'the private user VM is not private: {guest}')
    pair = beside.go_on()
    pair.console.command(f'echo {SECRET} > /tmp/note')
    return {**migrate_in_transfer(pair, pair.console, PRIVATE_SIZE), 'before': guest['memory'],
            'after': pair.source.guest()}


def search_both(pair, console, beside):
    """What L1's root can find of five secrets: of this session, whose memory the cloud VM has,
    and of one with private memory, at both of its hosts"""
    from lab.found import Secrets
    secrets = Secrets()
    private = beside.search()
    secrets.leave(pair.source, console)
    say('  a password, a line, a hash, a key file and a register: looking for them in all of '
        "L1's memory, in its QEMU, in a dump, and in what was left")
    found = {'ordinary': secrets.found_everywhere(pair.source, pair.inner),
             'private': private.result()}
    show_found(found)
    return found


def show_found(found):
    places = {'memory': "L1's memory", 'process': 'its QEMU', 'dump': 'a dump',
              'left': 'the L1 it has left'}
    print(f'           {"found in " + " / ".join(places.values()):55} '
          f'{"ordinary memory":16} private memory')
    for name in found['ordinary']['memory']:
        row = [' / '.join(str(found[kind][place][name]) for place in places if place in found[kind])
               for kind in ('ordinary', 'private')]
        print(f'           {name:55} {row[0]:16} {row[1]}', flush=True)


def nothing_found(found):
    return not any(n for place in found['private'].values() for n in place.values())


def all_found(found):
    return all(found['ordinary']['memory'].values())


def journey(result):
    """Of one migration in the midst of a transfer"""
    counts = result['from_guest'], result['to_guest']
    saved, restored = result['saved'] or {}, result['restored'] or {}
    return {
        'console': {
            'from_guest': counts[0].bytes,
            'to_guest': counts[1].bytes,
            'lost': sum(c.lost for c in counts) + result['gap'],
            'duplicated': sum(c.duplicated for c in counts),
            'reordered': sum(c.reordered for c in counts),
            'corrupt': sum(c.corrupt for c in counts),
        },
        'login_survived': result['survived'] and result['mark'],
        'migration': {
            'status': result['info']['status'],
            'during_transfer': 0 < result['at'] < 1,
            'total_ms': result['info'].get('total-time'),
            'downtime_ms': result['info'].get('downtime'),
        },
        'state': {
            'bytes': saved.get('bytes'),
            'save_us': saved.get('duration-us'),
            'restore_us': restored.get('duration-us'),
        },
    }


def summary(accel, plain, shadow, result):
    from lab.kvm import emulated
    return {
        'accelerator': accel,
        'host_emulated': emulated(accel),
        **journey(result),
        'l1_port_accesses': {'isa_serial': plain.serial, 'shadow': shadow.serial},
        'l1_saw_password': {
            'isa_serial': lab.PASSWORD.encode() in plain.read,
            'shadow': lab.PASSWORD.encode() in shadow.read,
        },
    }


def private_summary(result, kept):
    before, after = result['before'], result['after']
    return {
        **journey(result),
        'protection': after['protection'],
        'same_launch': after['memory']['measurement'] == before['measurement'],
        'registers_survived': kept,
    }


def journey_failures(data, result, size):
    from lab.transfer import LINE_LEN
    expected = -(-size // LINE_LEN) * LINE_LEN
    counts = result['from_guest'], result['to_guest']
    return unmet({
        'the migration completed': data['migration']['status'] == 'completed',
        'the migration fell into the transfer': data['migration']['during_transfer'],
        'all bytes from the guest': data['console']['from_guest'] == expected,
        'all bytes to the guest': data['console']['to_guest'] == expected,
        'totals agree': all(c.good() for c in counts),
        'nothing lost': data['console']['lost'] == 0,
        'nothing duplicated': data['console']['duplicated'] == 0,
        'nothing reordered': data['console']['reordered'] == 0,
        'nothing corrupt': data['console']['corrupt'] == 0,
        'the login session survived': data['login_survived'],
        'an envelope was saved and restored':
            all(v is not None for v in data['state'].values()),
    })


def unmet(checks):
    return [name for name, good in checks.items() if not good]


def failures(data, result, lost_entries, size):
    found = journey_failures(data, result, size)
    checks = {
        'L1 sees an isa-serial': data['l1_port_accesses']['isa_serial'] > 0,
        'L1 reads the password from an isa-serial':
            data['l1_saw_password']['isa_serial'],
        'L1 sees nothing of the shadow': data['l1_port_accesses']['shadow'] == 0,
        'the trace is complete': lost_entries == 0,
    }
    if data['l1_memory_matches']:
        checks |= {
            'each secret is found in ordinary memory': all_found(data['l1_memory_matches']),
            'nothing is found of private memory': nothing_found(data['l1_memory_matches']),
        }
    return found + unmet(checks)


def private_failures(data, result):
    return [f'private memory: {name}' for name in journey_failures(data, result, PRIVATE_SIZE) +
            unmet({
                'it is private there': data['protection'] == 'private',
                'it was not launched anew': data['same_launch'],
                'registers survived': data['registers_survived'],
            })]


def table(data):
    console, state = data['console'], data['state']
    migration, accesses = data['migration'], data['l1_port_accesses']

    def ms(value):
        return '-' if value is None else f'{value / 1000:.2f} ms'

    rows = [
        ('console bytes from / to the guest',
         f'{console["from_guest"]} / {console["to_guest"]}'),
        ('lost / duplicated / reordered',
         f'{console["lost"]} / {console["duplicated"]} / {console["reordered"]}'),
        ('login session survived', 'yes' if data['login_survived'] else 'NO'),
        ('migration, total / down',
         ' / '.join('not told' if value is None else f'{value} ms'
                    for value in (migration['total_ms'], migration['downtime_ms']))),
        ('state saved / restored in',
         f'{ms(state["save_us"])} / {ms(state["restore_us"])}'),
        ('sealed envelope', f'{state["bytes"]} bytes'),
        ('port accesses seen by L1, isa-serial', str(accesses['isa_serial'])),
        ('port accesses seen by L1, shadow', str(accesses['shadow'])),
    ]
    if private := data['private']:
        rows += [
            ('private: bytes from / to the guest',
             f'{private["console"]["from_guest"]} / {private["console"]["to_guest"]}'),
            ('private: session / registers survived',
             ' / '.join('yes' if private[f'{what}_survived'] else 'NO'
                        for what in ('login', 'registers'))),
            ('private: migration, total / down', f'{private["migration"]["total_ms"]} ms / '
             f'{private["migration"]["downtime_ms"]} ms'),
        ]
    if found := data['l1_memory_matches']:
        rows += [(f'secrets that L1 finds in {kind} memory',
                  f'{sum(any(place[name] for place in places.values()) for name in names)} '
                  f'of {len(names)}')
                 for kind, places in found.items() for names in (places['memory'],)]
    program.print_table(rows)


def pair_class(cloud):
    """What two such cloud VMs and their user VM are"""
    module, name = CLOUDS[cloud]
    return getattr(importlib.import_module(f'lab.{module}'), name)


def main():
    parser = lab.Config.parser(__doc__)
    parser.add_argument('--cloud', choices=CLOUDS, default='kvm',
                        help='what runs the user VM in the cloud VMs: our QEMU by hand (kvm), '
                        "Debian's own QEMU (plugin), libvirt, or Xen (default: kvm)")
    parser.add_argument('--json', metavar='FILE', help='write the results there too')
    parser.add_argument('--cpus', type=int, default=1, help='vCPUs of each cloud VM')
    args = parser.parse_args()
    config = lab.Config.from_args(args)
    from lab.kvm import describe, emulated
    if args.cloud != 'kvm' and config.accel != 'tcg':
        parser.error(f'--cloud {args.cloud} is with --accel tcg only')
    options = {'cpus': args.cpus} if args.cpus != 1 else {}
    size = EMULATED_SIZE if emulated(config.accel) else SIZE

    say(f"L0's accelerator: {describe(config.accel)}")
    say('1. starting two cloud hosts')
    matches = private = None
    with contextlib.ExitStack() as stack:
        # Private memory is with TCG only; what L1 finds there does not depend on what its VMs run.
        shows_memory = args.cloud == 'kvm' and config.accel == 'tcg'
        if shows_memory:
            from lab.beside import Beside
            beside = stack.enter_context(Beside(config))
        pair = stack.enter_context(pair_class(args.cloud)(config, say=say, **options))
        say("2. what L1's root sees of an ordinary isa-serial")
        plain = watch_isa_serial(pair)
        say('3. the same user VM with a shadow console')
        pair.add_guest('vm1')
        console, shadow = watch_shadow(pair)
        say("  what L1's root has of it:")
        show_seen(pair.SEEN_BY, plain, shadow)
        if shows_memory:
            beside.wait()
        say('4. transfer and live migration to the other host')
        result = migrate_in_transfer(pair, console, size)
        if shows_memory:
            say('5. the same of a user VM with private memory, which is written and verified')
            private = move_private(beside)
            say("6. what L1's root finds in memory: of the first session, and of the private one")
            matches = search_both(pair, console, beside)
            kept = beside.kept()
            say(f'  memory is right, and what was in registers is {"" if kept else "NOT "}there')
        say(f'{7 if shows_memory else 5}. done, stopping the hosts')
        console.close()

    data = {'cloud': args.cloud, **summary(config.accel, plain, shadow, result),
            'private': private and private_summary(private, kept), 'l1_memory_matches': matches}
    found = failures(data, result, plain.lost + shadow.lost, size)
    if private:
        found += private_failures(data['private'], private)
    table(data)
    if args.json:
        program.write_json(args.json, data)
    return program.conclude('demo', found)


if __name__ == '__main__':
    program.run('demo', main)
