#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Endurance: a user VM migrates back and forth, with traffic on its consoles."""

import dataclasses
import statistics

import lab
from lab import program
from lab.program import say


def progress(done, count):
    loads = ', '.join(f'{name} {use.own >> 10} MiB {use.files} files'
                      for name, use in done.usage.items())
    say(f'{done.number:{len(str(count))}}/{count} from {done.source}: '
        f'{done.total_ms} ms, down {done.downtime_ms} ms, saved {done.save_us} us, '
        f'restored {done.restore_us} us; {done.from_guest >> 10} KiB from, '
        f'{done.to_guest >> 10} KiB to the guest, all good; '
        f'epoch {done.epoch}; {loads}')


def spread(rounds, field):
    values = [getattr(done, field) for done in rounds]
    return {'min': min(values), 'median': statistics.median(values), 'max': max(values)}


def summary(soak):
    counts = soak.counts
    return {
        'migrations': len(soak.rounds),
        'envelope': soak.rounds[-1].envelope,
        **{field: spread(soak.rounds, field) for field in
           ('save_us', 'restore_us', 'downtime_ms', 'total_ms')},
        'from_guest': counts[0].bytes,
        'to_guest': counts[1].bytes,
        'lost': sum(count.lost for count in counts),
        'duplicated': sum(count.duplicated for count in counts),
        'reordered': sum(count.reordered for count in counts),
        'corrupt': sum(count.corrupt for count in counts),
        'hosts': soak.growth(),
    }


def table(data):
    def three(name, unit):
        values = data[name]
        return f'{values["min"]} / {values["median"]:g} / {values["max"]} {unit}'

    rows = [
        ('migrations', data['migrations']),
        ('state saved, min / median / max', three('save_us', 'us')),
        ('state restored', three('restore_us', 'us')),
        ('downtime', three('downtime_ms', 'ms')),
        ('migration in all', three('total_ms', 'ms')),
        ('sealed envelope', f'{data["envelope"]} bytes'),
        ('console bytes from / to the guest',
         f'{data["from_guest"]} / {data["to_guest"]}'),
        ('lost / duplicated / reordered',
         f'{data["lost"]} / {data["duplicated"]} / {data["reordered"]}'),
    ]
    for name, host in data['hosts'].items():
        rss, own, code = (' / '.join(str(kib >> 10) for kib in host[field])
                          for field in ('rss', 'own', 'code'))
        rows += [(f'{name}: RSS, first / middle / last', f'{rss} MiB'),
                 ("  without guest's memory and TCG's code", f'{own} MiB'),
                 ("  TCG's code", f'{code} MiB'),
                 ('  open files', ' / '.join(str(n) for n in host['files'])),
                 ('  used in its cloud VM',
                  ' / '.join(str(kib >> 10) for kib in host['cloud']) + ' MiB')]
    program.print_table(rows)


def endure(pair, count, private):
    from lab.private import MemoryWork
    from lab.soak import Soak, SoakError
    say('the user logs in on both ports; a transfer starts on the second')
    number = 0
    try:
        pair.start_session(private)
        pair.add_target(2)
        work = MemoryWork(pair.console) if private else None
        with Soak(pair) as soak:
            for number in range(1, count + 1):
                progress(soak.migrate(), count)
                if work:
                    work.check()
            soak.finish()
    except Exception as error:
        pair.keep_logs()
        raise SoakError(f'migration {number}: {error}') from error
    pair.console.close()
    return soak


def positive(text):
    if int(text) < 1:
        raise ValueError
    return int(text)


def main():
    parser = lab.Config.parser(__doc__)
    parser.add_argument('--json', metavar='FILE', help='write the results there too')
    parser.add_argument('count', metavar='N', type=positive, nargs='?', default=10,
                        help='how many migrations (default: 10)')
    parser.add_argument('--private', action='store_true',
                        help='of a user VM with private memory, which it writes and verifies')
    args = parser.parse_args()
    config = lab.Config.from_args(args)
    from lab.pair import Pair

    say('starting two cloud hosts')
    with Pair(config, say) as pair:
        soak = endure(pair, args.count, args.private)
        data = summary(soak)
    table(data)
    if args.json:
        rounds = [dataclasses.asdict(done) for done in soak.rounds]
        program.write_json(args.json, data | {'rounds': rounds})
    return program.conclude('soak', soak.leaks())


if __name__ == '__main__':
    program.run('soak', main)
