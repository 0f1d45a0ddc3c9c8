// SPDX-License-Identifier: GPL-2.0-or-later
import assert from 'node:assert/strict';
import { test } from 'node:test';

// The mutants have a copy of their own.
const page = process.env.SHADOW_WEB_SOURCE ?? new URL('../../web', import.meta.url).pathname;
const wire = await import(`${page}/src/wire.js`);

const LIFE = '00112233445566778899aabbccddeeff';
const bytes = (text) => new TextEncoder().encode(text);
const json = (value) => bytes(JSON.stringify(value));
const state = (more = {}) => ({ life: LIFE, state: 'active', ...more });

function read(pieces) {
    const reader = new wire.Reader();
    const frames = [];
    pieces.forEach((piece) => reader.push(piece, (frame) => frames.push(frame)));
    return frames;
}

test('frames come in pieces of any size', () => {
    const all = [wire.frame('O', { position: 5, payload: bytes('hello') }),
        wire.frame('W', { lease: 0xfedcba98, position: 2 ** 40 }), wire.frame('P')];
    const stream = Uint8Array.from(all.flatMap((one) => [...one]));
    for (const size of [1, 3, 16, 17, stream.length]) {
        const pieces = [];
        for (let at = 0; at < stream.length; at += size) {
            pieces.push(stream.subarray(at, at + size));
        }
        const frames = read(pieces);
        assert.deepEqual(frames.map((f) => [f.type, f.lease, f.position, wire.text(f.payload)]),
            [['O', 0, 5, 'hello'], ['W', 0xfedcba98, 2 ** 40, ''], ['P', 0, 0, '']]);
    }
});

test('a header that makes no sense is refused before its payload', () => {
    const bad = (type, change) => {
        const header = wire.frame(type, { payload: new Uint8Array(type === 'A' ? 24 : 2) }).slice(0, 16);
        change(header);
        assert.throws(() => read([header]), wire.WireError);
    };
    bad('O', (h) => { h[0] = 'X'.charCodeAt(0); });
    bad('O', (h) => { h[0] = 'I'.charCodeAt(0); });
    bad('O', (h) => { h[1] = 1; });
    bad('O', (h) => { h[2] = 0x40; h[3] = 1; });
    bad('O', (h) => { h[3] = 0; });
    bad('O', (h) => { h[7] = 1; });
    bad('O', (h) => { h[8] = 0x80; });
    bad('O', (h) => { h[8] = 0x7f; });
    bad('N', (h) => { h[15] = 1; });
    bad('A', (h) => { h[3] = 23; });
    bad('W', (h) => { h[2] = 4; h[3] = 1; });
});

test('half a frame is waited for, and nothing more is kept', () => {
    const whole = wire.frame('O', { payload: new Uint8Array(wire.PAYLOAD_MAX) });
    assert.deepEqual(read([whole.subarray(0, -1)]), []);
    assert.equal(read([whole.subarray(0, -1), whole.subarray(-1)]).length, 1);
});

test('what the client sends', () => {
    assert.deepEqual([...wire.hello('ab')], [72, 0, 0, 3, ...Array(12).fill(0), 1, 97, 98]);
    const start = wire.start('p', 258, LIFE);
    assert.deepEqual([...start.subarray(14, 20)], [1, 2, 112, 0, 0x11, 0x22]);
    assert.equal(start.length, 16 + 17);
    assert.equal(wire.name('é'.repeat(40)), 'é'.repeat(32));
    assert.equal(wire.name('a\x1b[31m\u202eb'), 'a[31mb');
    assert.deepEqual([...wire.breakAt(1, 2, 3).subarray(16)], [0, 0, 0, 0, 0, 0, 0, 3]);
});

test('numbers that cannot be counted with are refused', () => {
    const payload = new Uint8Array(24);
    payload[0] = 0x10;
    assert.throws(() => wire.accepted(payload), wire.WireError);
});

test('JSON is taken for what it may be', () => {
    for (const text of ['', 'x', '[]', 'null', '1', '"H"', '{"version":1}', '{"version":1,"state":[]}',
        '{"version":2,"state":{"life":"00112233445566778899aabbccddeeff"}}',
        '['.repeat(16000)]) {
        assert.throws(() => wire.helloFromDoor(bytes(text)), wire.WireError, text.slice(0, 40));
    }
    const said = wire.helloFromDoor(json({ version: 1, guest: 7, device: ['<b>'], role: 'root', client: -1,
        state: state({ 'input-accepted': '9', 'output-end': 1e300, attached: 'yes', writer: 'me',
            clients: [null, 1, 'x', { name: {}, since: 'now' }], 'clients-total': null, leases: [3] }) }));
    assert.equal(said.guest, '');
    assert.equal(said.role, 'read');
    assert.equal(said.state.outputEnd, 0);
    assert.equal(said.state.attached, false);
    assert.equal(said.state.writer, null);
    assert.deepEqual(said.state.clients, [{ client: 0, name: '', peer: '', role: 'read', since: 0 }]);
    assert.deepEqual(said.state.leases, []);
});

test('texts move no cursor and turn no writing round', () => {
    const said = wire.notice(json({ event: 'moved', reason: '\u202eevil\x1b]0;x\x07\n',
        state: state({ 'moved-to': 'h\u2066ost' }) }));
    assert.equal(said.reason, 'evil]0;x');
    assert.equal(said.state.movedTo, 'host');
});

test('members that JavaScript gives a meaning have none', () => {
    const said = wire.notice(bytes(`{"event":"x","__proto__":{"state":1},"state":{"life":"${LIFE}",` +
        '"__proto__":{"attached":true}}}'));
    assert.equal(said.state.attached, false);
    assert.equal({}.attached, undefined);
});
