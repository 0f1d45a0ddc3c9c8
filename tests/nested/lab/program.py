# SPDX-License-Identifier: GPL-2.0-or-later
"""What the programs for people share: progress, a table, and how they end."""

import json
import sys
import time

STARTED = time.monotonic()


def elapsed():
    return time.monotonic() - STARTED


def say(text):
    print(f'[{elapsed():6.1f} s] {text}', flush=True)


def print_table(rows):
    width = max(len(name) for name, _ in rows)
    rule = '-' * (width + 30)
    print('\n'.join(['', rule] + [f'{n:{width}}  {v}' for n, v in rows] + [rule]))


def write_json(path, data):
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(data, file, indent=2)
        file.write('\n')


def conclude(name, failed):
    """Say what is not as promised, if anything; the exit status."""
    for check in failed:
        print(f'NOT AS PROMISED: {check}')
    print(f'{name}: {"failed" if failed else "all as promised"} '
          f'after {elapsed():.0f} s')
    return 1 if failed else 0


def run(name, main):
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, RuntimeError) as failure:    # HostError and time-outs too
        sys.exit(f'{name}: error: {failure}')
