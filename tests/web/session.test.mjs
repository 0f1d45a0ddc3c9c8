// SPDX-License-Identifier: GPL-2.0-or-later
import assert from 'node:assert/strict';
import { test } from 'node:test';

// The mutants have a copy of their own.
const page = process.env.SHADOW_WEB_SOURCE ?? new URL('../../web', import.meta.url).pathname;
const { Session } = await import(`${page}/src/session.js`);
const { MOST, acceptedOf, breakAccepted } = await import(`${page}/src/queue.js`);
const wire = await import(`${page}/src/wire.js`);

const LIFE = '00112233445566778899aabbccddeeff';
const OTHER = 'ff112233445566778899aabbccddeeff';
const bytes = (text) => new TextEncoder().encode(text);

/** A door, as far as a client can tell; what the test does not say it does not do. */
class Door {
    sent = [];
    open = false;
    state = { life: LIFE, state: 'active', attached: true, 'clients-total': 1, 'output-end': 0 };

    constructor(world, url) {
        this.url = url;
        world.doors[url] = this;
    }

    connected(socket) {
        this.socket = socket;
        this.sent = [];
    }

    say(type, more, payload = new Uint8Array()) {
        const frame = wire.frame(type, { ...more, payload });
        this.socket.onmessage({ data: frame.buffer });
    }

    json(type, value) {
        this.say(type, {}, bytes(JSON.stringify(value)));
    }

    hello(state = {}, more = {}) {
        Object.assign(this.state, state);
        this.json('H', { version: 1, guest: 'vm1', device: 'com1', role: 'write', client: 7,
            state: this.state, ...more });
    }

    notice(state, event = 'changed') {
        Object.assign(this.state, state);
        this.json('N', { event, state: this.state });
    }

    grant(lease, position, limit = position + 100, breaks = 0) {
        this.say('W', { lease, position });
        this.accept(lease, position, limit, breaks);
    }

    accept(lease, position, limit = position + 100, breaks = 0) {
        const payload = new Uint8Array(24);
        const data = new DataView(payload.buffer);
        [position, limit, breaks].forEach((n, i) => data.setBigUint64(8 * i, BigInt(n)));
        this.say('A', { lease, position }, payload);
    }

    /** What came since: type, position, text */
    got(types = 'IB') {
        const all = this.sent.splice(0).map((frame) => {
            const data = new DataView(frame.buffer);
            return [String.fromCharCode(frame[0]), Number(data.getBigUint64(8)),
                new TextDecoder().decode(frame.subarray(16))];
        });
        return all.filter(([type]) => types.includes(type));
    }
}

function begin(count = 1, kept = null) {
    const world = {
        doors: {}, timers: [],
        connect(url) {
            const socket = { readyState: 1, url, close() { this.readyState = 3; },
                send: (frame) => world.doors[url].sent.push(frame) };
            world.doors[url].connected(socket);
            return socket;
        },
        setTimeout(what) { world.timers.push(what); return world.timers.length; },
        clearTimeout(n) { if (n) { world.timers[n - 1] = null; } },
        now: () => 0,
        /** All that was to come later */
        later() { world.timers.splice(0).forEach((what) => what?.()); },
    };
    const screen = { shown: '', unsent_: [], told: [], gaps: [], drawn: [],
        output(data) { this.shown += new TextDecoder().decode(data); },
        redraw(until) { this.shown = ''; this.drawn.push(until); },
        gap(n) { this.gaps.push(n); },
        unsent(text) { this.unsent_.push(text); },
        tell(text) { this.told.push(text); },
        changed() {} };
    const urls = ['a', 'b'].slice(0, count);
    const doors = urls.map((url) => new Door(world, url));
    const session = new Session(urls, 'me', world, screen, kept);
    session.start();
    return { world, screen, session, doors };
}

/** A user who has the keyboard */
function writing(count = 1) {
    const all = begin(count);
    all.doors[0].hello();
    all.session.take('t');
    all.doors[0].grant(11, 100);
    all.doors[0].got();
    return all;
}

test('output is shown once, whatever the door says about positions', () => {
    const { doors: [a], screen } = begin();
    a.hello();
    a.say('O', { position: 10 }, bytes('abc'));
    a.say('O', { position: 11 }, bytes('bcd'));
    a.say('O', { position: 10 }, bytes('abc'));
    a.say('O', { position: 20 }, bytes('x'));
    assert.equal(screen.shown, 'abcdx');
    assert.deepEqual(screen.gaps, [6]);
});

test('after a new connection it goes on where it was', () => {
    const { doors: [a], world, session } = begin();
    a.hello();
    a.say('O', { position: 10 }, bytes('abc'));
    a.socket.onclose();
    world.later();
    a.hello();
    assert.deepEqual(a.got('G').map(([, position, text]) => [position, text[0]]), [[13, 'p']]);
    assert.equal(session.position, 13);
});

test('after a new page too, and another life is drawn anew', () => {
    let { doors: [a] } = begin(1, { life: LIFE, position: 50 });
    a.hello();
    assert.equal(a.got('G')[0][2][0], 'p');
    ({ doors: [a] } = begin(1, { life: OTHER, position: 50 }));
    a.hello();
    assert.equal(a.got('G')[0][2][0], 'b');
});

test('drawn anew: what was still under way is shown, then all from the oldest on, once', () => {
    const { doors: [a], screen, session } = begin();
    a.hello({ 'output-end': 2 });
    a.say('O', { position: 0 }, bytes('abc'));
    a.got();
    session.redraw();
    assert.deepEqual(a.got('G').map(([, , text]) => text[0]), ['b']);
    a.say('O', { position: 3 }, bytes('de'));
    assert.equal(screen.shown, 'abcde');
    a.say('O', { position: 0 }, bytes('abcde'));
    assert.equal(screen.shown, 'abcde');
    assert.deepEqual(screen.drawn, [2, 5]);     // up to where no question is answered
    a.say('O', { position: 3 }, bytes('def'));
    a.say('O', { position: 0 }, bytes('abc'));
    assert.equal(screen.shown, 'abcdef');
    assert.deepEqual(screen.gaps, []);
});

test('drawn anew while it is drawn: what was old stays old', () => {
    const { doors: [a], screen, session } = begin();
    a.hello({ 'output-end': 9 });
    a.say('O', { position: 0 }, bytes('abc'));
    session.redraw();
    a.say('O', { position: 0 }, bytes('abc'));
    assert.deepEqual(screen.drawn, [9, 9]);
});

test('another life on the same connection is shown from its oldest byte on', () => {
    const { doors: [a], screen } = begin();
    a.hello({ 'output-end': 3 });
    a.say('O', { position: 0 }, bytes('abc'));
    a.notice({ life: OTHER, 'output-end': 2 }, 'restored');
    a.say('O', { position: 2 }, bytes('Z'));    // it was under way
    a.say('O', { position: 0 }, bytes('XYZ'));
    assert.equal(screen.shown, 'XYZ');
});

test('nothing is typed without the keyboard', () => {
    const { doors: [a], session } = begin();
    a.hello();
    assert.equal(session.type(bytes('x')), false);
    assert.deepEqual(a.got(), []);
});

test('what is typed is sent up to the limit, and the rest when there is room', () => {
    const { doors: [a], session } = writing();
    a.accept(11, 100, 103);
    session.type(bytes('abcdef'));
    assert.deepEqual(a.got(), [['I', 100, 'abc']]);
    a.accept(11, 103, 110);
    assert.deepEqual(a.got(), [['I', 103, 'def']]);
    assert.equal(session.waiting, 3);
    a.accept(11, 106, 110);
    assert.equal(session.waiting, 0);
});

test('while frozen it waits, and is sent once on the other host', () => {
    const { doors: [a, b], session } = writing(2);
    b.hello({ state: 'incoming' });
    session.type(bytes('abc'));
    a.got();
    a.notice({ state: 'frozen' }, 'freezing');
    a.accept(11, 101, 101);
    session.type(bytes('de'));
    assert.deepEqual(a.got(), []);
    a.say('W', { position: 101 }, bytes('moved'));
    a.notice({ state: 'gone', leases: [{ lease: 11, start: 100 }] }, 'moved');
    assert.equal(session.waiting, 4);
    b.notice({ state: 'active', leases: [{ lease: 11, start: 100 }] }, 'resumed');
    assert.equal(b.got('W').length, 1);
    // one more of what was under way had been accepted
    b.grant(22, 102);
    assert.deepEqual(b.got(), [['I', 102, 'c'], ['I', 103, 'de']]);
    b.accept(22, 105);
    assert.equal(session.waiting, 0);
});

test('what another has typed is not taken for ours', () => {
    const { doors: [a], world, session } = writing();
    session.type(bytes('abc'));
    a.socket.onclose();
    world.later();
    a.hello({ leases: [{ lease: 11, start: 100 }, { lease: 9, start: 101 }] });
    a.grant(12, 105);
    assert.deepEqual(a.got(), [['I', 105, 'bc']]);
    assert.equal(session.waiting, 2);
});

test('if nobody can say whose it was, it is shown and not sent', () => {
    const { doors: [a], world, session, screen } = writing();
    session.type(bytes('abc'));
    a.socket.onclose();
    world.later();
    a.hello({ leases: Array(8).fill(0).map((_, n) => ({ lease: 50 + n, start: 100 + n })) });
    a.grant(12, 110);
    assert.deepEqual(a.got(), []);
    assert.deepEqual(screen.unsent_, ['abc']);
    assert.equal(session.waiting, 0);
});

test('another life: shown, not sent', () => {
    const { doors: [a], world, screen } = writing();
    a.accept(11, 100, 100);
    a.socket.onclose();
    world.doors.a.state.life = OTHER;
    world.later();
    a.hello();
    a.grant(13, 0);
    assert.deepEqual(a.got(), []);
    assert.deepEqual(screen.unsent_, []);
    const again = writing();
    again.doors[0].accept(11, 100, 100);
    again.session.type(bytes('rm -rf x\r'));
    again.doors[0].notice({ life: OTHER }, 'restored');
    again.doors[0].grant(14, 0);
    assert.deepEqual(again.doors[0].got(), []);
    assert.deepEqual(again.screen.unsent_, ['rm -rf x\r']);
});

test('taken over: what waits is shown, not sent', () => {
    const { doors: [a], session, screen } = writing();
    a.accept(11, 100, 100);
    session.type(bytes('abc'));
    a.notice({ writer: { client: 8, name: 'bob', peer: 'x', role: 'write', since: 1 } }, 'writer');
    a.say('W', { position: 100 }, bytes('bob has taken it over'));
    assert.deepEqual(screen.unsent_, ['abc']);
    assert.equal(session.wanted, false);
    assert.equal(session.type(bytes('x')), false);
});

test('taken over while frozen: it is not asked for at the other host', () => {
    const { doors: [a, b], session, screen } = writing(2);
    const me = { client: 7, name: 'me', peer: 'x', role: 'write', since: 1 };
    b.hello({ state: 'incoming' });
    a.notice({ writer: me, state: 'frozen' }, 'freezing');
    a.accept(11, 100, 100);
    session.type(bytes('abc'));
    a.say('W', { position: 100 }, bytes('bob has taken it over'));
    b.notice({ state: 'incoming' });
    assert.equal(session.wanted, true);         // it may have ended because the guest has moved
    a.notice({ writer: { ...me, client: 8, name: 'bob' } }, 'writer');
    assert.equal(session.wanted, false);
    assert.deepEqual(screen.unsent_, ['abc']);
    a.notice({ state: 'gone', writer: undefined }, 'moved');
    b.notice({ state: 'active' }, 'resumed');
    assert.deepEqual(b.got('WIB'), []);
});

test('where it ended for a reason that the user has to know, he takes it anew', () => {
    for (const why of [{ attached: false }, { protection: 'broken' }]) {
        const { doors: [a], session, screen } = writing();
        a.accept(11, 100, 100);
        session.type(bytes('abc'));
        a.say('W', { position: 100 }, bytes('it is not what it was'));
        a.notice(why, 'detached');
        a.notice({ attached: true, protection: 'forced' }, 'attached');
        assert.deepEqual(a.got('WIB'), []);
        assert.deepEqual(screen.unsent_, ['abc']);
        assert.deepEqual(screen.told, ['it is not what it was']);
    }
});

test('it was gone when it was asked for the keyboard: that is given back', () => {
    const { doors: [a, b], session } = begin(2);
    a.hello();
    b.hello({ state: 'incoming' });
    session.take('t');
    a.notice({ state: 'gone' }, 'moved');
    b.notice({ state: 'active' }, 'resumed');
    a.got();
    a.grant(11, 100);
    assert.deepEqual(a.got('W').map(([, , text]) => text), ['r']);
    b.grant(12, 100);
    session.type(bytes('x'));
    assert.deepEqual([a.got(), b.got()], [[], [['I', 100, 'x']]]);
});

test('who is told no does not ask again', () => {
    const { doors: [a], session } = begin();
    a.hello({ 'input-enabled': false });
    session.take('t');
    a.got();
    a.say('W', { position: 100 }, bytes('this console takes no input'));
    a.notice({}, 'changed');
    assert.deepEqual(a.got('W'), []);
    assert.equal(session.type(bytes('x')), false);
});

test('another of the same name who takes it over is not ourselves', () => {
    const { doors: [a], session } = writing();
    a.say('W', { position: 100 }, bytes('me has taken it over'));
    a.notice({ writer: { client: 8, name: 'me', peer: 'x', role: 'write', since: 1 } }, 'writer');
    a.say('W', { position: 100 }, bytes('me has it'));
    assert.equal(session.wanted, false);
});

test('two hosts that both say active: nothing is typed', () => {
    const { doors: [a, b], session } = writing(2);
    b.hello({ state: 'active' });
    assert.equal(session.conflict, true);
    session.type(bytes('abc'));
    assert.deepEqual([a.got(), b.got()], [[], []]);
    b.notice({ state: 'gone' });
    assert.equal(session.conflict, false);
    assert.deepEqual(a.got(), [['I', 100, 'abc']]);
});

test('a BREAK keeps its place and is sent once', () => {
    const { doors: [a], world, session } = writing();
    session.type(bytes('ab'));
    session.sendBreak();
    session.type(bytes('cd'));
    assert.deepEqual(a.got(), [['I', 100, 'ab']]);
    a.accept(11, 102);
    assert.deepEqual(a.got().map(([type, at]) => [type, at]), [['B', 102]]);
    // it was accepted, but the connection breaks before A says so
    a.socket.onclose();
    world.later();
    a.hello({ leases: [{ lease: 11, start: 100 }] });
    a.grant(12, 102, 202, 1);
    assert.deepEqual(a.got(), [['I', 102, 'cd']]);
});

/** A BREAK is under way, the connection breaks, and there is one more when it comes again. */
function breakUnderWay(leases) {
    const all = writing();
    const { doors: [a], world, session } = all;
    session.sendBreak();
    session.type(bytes('x'));
    a.got();
    a.socket.onclose();
    world.later();
    a.hello({ leases });
    a.grant(12, 100, 200, 1);
    return { ...all, types: a.got().map(([type]) => type) };
}

test("another's BREAK is not taken for ours", () => {
    const { types, session, screen } = breakUnderWay([{ lease: 9, start: 100 }]);
    assert.deepEqual(types, ['B']);
    assert.equal(session.waitingBreaks, 1);
    assert.deepEqual(screen.unsent_, []);
});

test('a BREAK of which nobody can say whose it was is shown and not sent', () => {
    const many = Array(8).fill(0).map((_, n) => ({ lease: 50 + n, start: 100 }));
    for (const leases of [undefined, many, [{ lease: 11, start: 90 }, { lease: 9, start: 100 }]]) {
        const { types, screen } = breakUnderWay(leases);
        assert.deepEqual(types, []);
        assert.deepEqual(screen.unsent_, ['<BREAK>x']);
    }
});

test('lies about what was accepted end the connection', () => {
    for (const position of [99, 104, 2 ** 52]) {
        const { doors: [a], session } = writing();
        session.type(bytes('abc'));
        a.accept(11, position, position + 10);
        assert.equal(session.current, null);
        assert.match(session.links[0].error, /not sent/);
    }
});

test('what was refused is not sent again until something has changed', () => {
    const { doors: [a], session } = writing();
    session.type(bytes('abc'));
    a.got();
    for (let n = 0; n < 3; n++) {
        a.say('R', { lease: 11, position: 100 }, bytes('frozen'));
        a.accept(11, 100);
    }
    assert.deepEqual(a.got(), []);
    a.notice({ state: 'active' });
    assert.deepEqual(a.got(), [['I', 100, 'abc']]);
    a.say('R', { lease: 11, position: 100 }, bytes('no'));
    a.accept(11, 100, 120);
    assert.deepEqual(a.got(), [['I', 100, 'abc']]);
});

test('a reader asks for no keyboard and types nothing, whatever the door says', () => {
    const { doors: [a], session } = begin();
    a.hello({}, { role: 'read' });
    session.take('t');
    session.take('f');
    session.release();
    a.say('W', { lease: 11, position: 100 });
    session.type(bytes('abc'));
    assert.deepEqual(a.got('WIB'), []);
    assert.equal(session.hasKeyboard, false);
});

test('an old connection of ours that still has the keyboard is waited for', () => {
    const { doors: [a], session, screen, world } = writing();
    const writer = { client: 7, name: 'me', peer: 'x', role: 'write', since: 1 };
    session.type(bytes('abc'));
    a.socket.onclose();
    world.later();
    a.hello({ writer }, { client: 8 });
    assert.deepEqual(a.got('W'), []);
    session.take('t');
    a.got('W');
    a.say('W', { position: 100 }, bytes('me has it'));
    assert.equal(session.wanted, true);
    assert.deepEqual(screen.unsent_, []);
    a.notice({ writer: undefined, leases: [{ lease: 11, start: 100 }] });
    assert.equal(a.got('W').length, 1);
    a.grant(12, 101);
    assert.deepEqual(a.got(), [['I', 101, 'bc']]);
});

test('floods: what waits is bounded', () => {
    const { doors: [a], session } = writing();
    a.accept(11, 100, 100);
    assert.equal(session.type(new Uint8Array(MOST)), true);
    assert.equal(session.type(bytes('x')), false);
    for (let n = 0; n < 100; n++) {
        session.sendBreak();
    }
    assert.equal(session.waitingBreaks, 16);
});

test('a door that speaks no frames, or out of turn, is left', () => {
    const first = (type, payload) => {
        const { doors: [a], session } = begin();
        a.say(type, {}, payload);
        assert.equal(session.links[0].open, false);
        return session.links[0].error;
    };
    first('O', bytes('x'));
    first('H', bytes('{}'));
    assert.equal(first('E', bytes('too many\x1b[2J')), 'too many[2J');
    const { doors: [a], session } = begin();
    a.socket.onmessage({ data: 'text' });
    assert.equal(session.links[0].open, false);
});

test('whose the accepted BREAK is', () => {
    const leases = [{ lease: 1, start: 10 }, { lease: 2, start: 20 }];
    assert.equal(breakAccepted(2, leases), true);
    assert.equal(breakAccepted(1, leases), null);
    assert.equal(breakAccepted(3, leases), false);
    assert.equal(breakAccepted(3, []), false);
    assert.equal(breakAccepted(3, null), null);
});

test('whose the accepted bytes are', () => {
    const leases = [{ lease: 1, start: 10 }, { lease: 2, start: 20 }];
    assert.equal(acceptedOf(2, 99, 30, leases), 30);
    assert.equal(acceptedOf(1, 99, 30, leases), 20);
    assert.equal(acceptedOf(3, 99, 30, leases), 0);
    assert.equal(acceptedOf(3, 25, 30, null), null);
    assert.equal(acceptedOf(3, 35, 30, null), 30);
});
