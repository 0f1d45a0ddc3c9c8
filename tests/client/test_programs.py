# SPDX-License-Identifier: GPL-2.0-or-later
"""run, log, list, record and verify."""

import json
import os
import re
import subprocess

from client import LONG, PROGRAM, hosts_file, run, wait_for
from door import Console, Host, move


def test_run(folder):
    host = Host(folder, 'a', Console(b'old login: '))
    host.echo = True
    out = run('run', '--send', 'alice\\r', '--expect', 'ce\r', '--send', 'x', '--expect', 'x',
              host.address)
    assert out == b'alice\rx' and host.console.input == b'alice\rx', out
    out = run('run', '--expect', 'login: ', '--last', '100', '--send', 'bob\\r', host.address)
    assert host.console.input.endswith(b'bob\r')
    assert run('run', host.address, stdin=b'piped') == b'' or True
    assert host.console.input.endswith(b'piped')
    run('run', '--timeout', '1', '--expect', 'never', host.address, status=3)
    host.role = 'read'
    run('run', '--send', 'x', host.address, status=1)


def test_run_over_a_move(folder):
    source, target = Host(folder, 'a'), Host(folder, 'b', state='incoming')
    hosts = hosts_file(folder, source, target)
    data = bytes(range(32, 127)) * 3000
    source.window = target.window = 5000
    with subprocess.Popen([PROGRAM, 'run', '--hosts', hosts, 'vm1'],
                          stdin=subprocess.PIPE) as program:
        program.stdin.write(data[:100000])
        program.stdin.flush()
        wait_for(lambda: len(source.console.input) > 10000)
        move(source, target)
        program.stdin.write(data[100000:])
        program.stdin.close()
        assert program.wait(LONG) == 0
    assert target.console.input == data


def test_log(folder):
    console = Console(b'0123456789' * 1000)
    console.start = 100
    host = Host(folder, 'a', console)
    assert run('log', host.address) == console.output[100:]
    assert run('log', '--last', '15', host.address) == b'567890123456789'
    assert run('log', '--from', '9990', host.address) == b'0123456789'
    assert run('log', '--from', '50', host.address) == console.output[100:]
    assert 'not held' in run.stderr
    assert run('log', '--from', 'end', host.address) == b''
    run('log', '--from', 'nowhere', host.address, status=2)
    assert run('log', Host(folder, 'b').address) == b''


def test_list(folder):
    host, other = Host(folder, 'a'), Host(folder, 'b', state='incoming')
    hosts = hosts_file(folder, host, other)
    other.close()
    out = run('list', '--hosts', hosts, 'vm1').decode()
    assert re.search(r'vm1/com1 at a: active, forced, epoch 1, life', out), out
    assert 'Could not connect' in out, out


def keygen(folder, name='key'):
    path = os.path.join(folder, name)
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'host-a', '-f', path],
                   check=True)
    with open(path + '.pub', encoding='utf-8') as file:
        key = file.read()
    with open(f'{folder}/signers', 'a', encoding='utf-8') as file:
        file.write(f'{name}@console {key}')
    return path


class Recorder:
    def __init__(self, folder, name, *args):
        self.path = os.path.join(folder, name)
        self.events = f'{self.path}.events'
        self.process = subprocess.Popen([PROGRAM, 'record', '--events', self.events, *args,
                                         self.path], stderr=subprocess.PIPE)

    def at(self, position):
        wait_for(lambda: os.path.exists(self.path) and played(self.path)[1] >= position)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(LONG) == 0, self.process.stderr.read()


def played(path):
    """What a recording has: its text, and after which position it is"""
    text, position = b'', 0
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file):
            if not number or not line.endswith('\n'):
                continue
            _, code, data = json.loads(line)
            if code == 'o':
                text += data.encode()
            elif code == 'b':
                text += bytes.fromhex(data)
            elif data.startswith('begins'):
                position = int(re.search(r'position=(\d+)', data)[1])
    return text, position + len(text)


AWKWARD = ('äöü \u20ac \U0001f600 ' * 50).encode() + bytes(range(256)) + b'\xf0\x9f' + b'end'


def test_record(folder):
    """All bytes are in it, and it is what asciinema takes."""
    key = keygen(folder)
    host = Host(folder, 'a', Console(b'before '))
    recorder = Recorder(folder, 'a.cast', '--key', key, host.address)
    recorder.at(7)
    for n in range(0, len(AWKWARD), 7):
        host.write(AWKWARD[n:n + 7])
    host.write(b'x' * 150000)
    recorder.at(7 + len(AWKWARD) + 150000)
    recorder.stop()
    assert played(recorder.path)[0] == b'before ' + AWKWARD + b'x' * 150000
    with open(recorder.path, encoding='utf-8') as file:
        header = json.loads(next(file))
        lines = [json.loads(line) for line in file]
    assert header['version'] == 2 and header['width'] == 80 and header['height'] == 24
    assert all(len(line) == 3 and line[0] >= 0 for line in lines)
    marks = [data for _, code, data in lines if code == 'm']
    assert sum(mark.startswith('mark ') for mark in marks) >= 2 and marks[-1].startswith('end ')
    out = run('verify', '--signers', f'{folder}/signers', recorder.path).decode()
    assert 'good' in out and 'key@console' in out, out
    out = run('verify', recorder.path).decode()
    assert 'not checked' in out, out
    run('verify', '--signers', f'{folder}/signers', '--principal', 'other', recorder.path,
        status=1)
    run('record', host.address, recorder.path, status=1)    # not over another


def test_verify_notices(folder):
    """Any change is noticed: of the text, a time, a mark, the key, the end."""
    key = keygen(folder)
    host = Host(folder, 'a', Console(b'pay 100 to alice\r\n' * 10))
    recorder = Recorder(folder, 'a.cast', '--key', key, host.address)
    recorder.at(180)
    recorder.stop()
    with open(recorder.path, encoding='utf-8') as file:
        good = file.read()

    def bad(text, why):
        path = f'{folder}/bad.cast'
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        out = run('verify', '--signers', f'{folder}/signers', path, status=1).decode()
        assert why in out, out
    lines = good.splitlines(keepends=True)
    bad(good.replace('alice', 'carol'), 'was changed')
    bad(good.replace('alice', 'al', 1), 'more or fewer bytes')
    bad(good.replace('[0', '[1', 1), 'was changed')
    bad(good.replace('"width":80', '"width":81'), 'was changed')
    bad(''.join(lines[:-1]), 'no mark')
    bad(good + '[9.0,"o","more"]\n', '')
    bad(good.replace(host.console.life.hex(), '0' * 32), 'was changed')
    other = keygen(folder, 'other')
    os.unlink(f'{folder}/signers')
    with open(f'{other}.pub', encoding='utf-8') as file, \
            open(f'{folder}/signers', 'w', encoding='utf-8') as out:
        out.write('other@console ' + file.read())
    bad(good, '')
    unsigned = Recorder(folder, 'u.cast', host.address)
    unsigned.at(180)
    unsigned.stop()
    out = run('verify', unsigned.path).decode()
    assert 'NOT SIGNED' in out, out
    run('verify', '--signers', f'{folder}/signers', unsigned.path, status=1)
    for text in ('', '{}\n', '[' * 100000, '{"version":2}\n[1,2]\n', '\0\n'):
        bad(text, '')


def test_recordings_join(folder):
    """Of two hosts, without a gap or an overlap; or it is said where."""
    key = keygen(folder)
    source, target = Host(folder, 'a', Console(b'one ')), Host(folder, 'b', state='incoming')
    first = Recorder(folder, 'a.cast', '--key', key, '--stay', source.address)
    first.at(4)
    source.write(b'two ')
    move(source, target)
    target.write(b'three ')
    assert first.process.wait(LONG) == 0
    assert played(first.path) == (b'one two ', 8)
    second = Recorder(folder, 'b.cast', '--key', key, '--after', first.path, target.address)
    second.at(14)
    target.write(b'four')
    second.at(18)
    second.stop()
    out = run('verify', '--signers', f'{folder}/signers', first.path, second.path).decode()
    assert 'join at 8' in out, out
    late = Recorder(folder, 'c.cast', '--key', key, '--from', '14', target.address)
    late.at(18)
    late.stop()
    out = run('verify', first.path, late.path, status=1).decode()
    assert 'a gap of 6 bytes, from 8 on' in out, out
    early = Recorder(folder, 'd.cast', '--key', key, target.address)
    early.at(18)
    early.stop()
    out = run('verify', first.path, early.path, status=1).decode()
    assert 'an overlap of 8 bytes, from 0 on' in out, out
    third = Host(folder, 'x', Console(b'other'))
    other = Recorder(folder, 'e.cast', '--key', key, third.address)
    other.at(5)
    other.stop()
    assert 'two lives' in run('verify', first.path, other.path, status=1).decode()


def test_recorder_follows(folder):
    """One recording over a move; what it missed is in it as a loss."""
    source, target = Host(folder, 'a', Console(b'one ')), Host(folder, 'b', state='incoming')
    recorder = Recorder(folder, 'a.cast', '--hosts', hosts_file(folder, source, target), 'vm1')
    recorder.at(4)
    move(source, target)
    target.write(b'two')
    recorder.at(7)
    target.close()
    target.console.output += b'missed' + b'three'
    target.console.start = 13
    source.take(target.console)
    wait_for(lambda: played(recorder.path)[0].endswith(b'three'))
    recorder.stop()
    assert played(recorder.path)[0] == b'one twothree'
    assert '6 bytes were lost' in run('verify', recorder.path).decode()
