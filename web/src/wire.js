// SPDX-License-Identifier: GPL-2.0-or-later
//
// The frames that are spoken at a door (docs/door.rst): made, taken apart and checked. Whatever
// comes is taken for hostile: lengths are checked before anything is kept, and no more than one
// frame is kept.

export const VERSION = 1;
export const HEADER = 16;
export const PAYLOAD_MAX = 16384;
export const TEXT_MAX = 1024;
export const NAME_MAX = 64;
export const ACCEPTED_LEN = 24;

/** What a door may not send; the connection is at its end. */
export class WireError extends Error {}

// Least and most bytes of payload; whether lease and position may be other than 0
const FRAMES = {
    H: [2, PAYLOAD_MAX, false],
    N: [2, PAYLOAD_MAX, false],
    O: [1, PAYLOAD_MAX, false, true],
    W: [0, TEXT_MAX, true, true],
    A: [ACCEPTED_LEN, ACCEPTED_LEN, true, true],
    R: [0, TEXT_MAX, true, true],
    P: [0, 64, false],
    E: [0, TEXT_MAX, false],
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function view(bytes) {
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A number of 8 bytes. One that JavaScript cannot count with is refused: no console gets there. */
function readCount(data, offset) {
    const value = data.getBigUint64(offset);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw new WireError('a position that is too high');
    }
    return Number(value);
}

function checkHeader(header) {
    const data = view(header);
    const type = String.fromCharCode(header[0]);
    const rule = Object.hasOwn(FRAMES, type) ? FRAMES[type] : null;
    if (!rule) {
        throw new WireError('a frame of an unknown type');
    }
    const [least, most, hasLease, hasPosition] = rule;
    const length = data.getUint16(2);
    const lease = data.getUint32(4);
    const position = readCount(data, 8);
    if (header[1] || (lease && !hasLease) || (position && !hasPosition)) {
        throw new WireError('a field that should be 0');
    }
    if (length < least || length > most) {
        throw new WireError('a frame that is too short or too long');
    }
    return { type, length, lease, position };
}

/** Takes bytes in pieces of any size, gives whole frames. */
export class Reader {
    #header = new Uint8Array(HEADER);
    #have = 0;
    #frame = null;
    #payload = null;

    /** @param {Uint8Array} bytes what has come. Frames are given to take(); WireError if it is none. */
    push(bytes, take) {
        let at = 0;
        while (at < bytes.length) {
            at += this.#frame ? this.#fillPayload(bytes, at) : this.#fillHeader(bytes, at);
            if (this.#frame && this.#have === HEADER + this.#frame.length) {
                const frame = { ...this.#frame, payload: this.#payload };
                this.#have = 0;
                this.#frame = null;
                this.#payload = null;
                take(frame);
            }
        }
    }

    #fillHeader(bytes, at) {
        const n = Math.min(HEADER - this.#have, bytes.length - at);
        this.#header.set(bytes.subarray(at, at + n), this.#have);
        this.#have += n;
        if (this.#have === HEADER) {
            this.#frame = checkHeader(this.#header);
            this.#payload = new Uint8Array(this.#frame.length);
        }
        return n;
    }

    #fillPayload(bytes, at) {
        const done = this.#have - HEADER;
        const n = Math.min(this.#frame.length - done, bytes.length - at);
        this.#payload.set(bytes.subarray(at, at + n), done);
        this.#have += n;
        return n;
    }
}

/** A whole frame. @param {Uint8Array} [payload] */
export function frame(type, { lease = 0, position = 0, payload = new Uint8Array() } = {}) {
    const out = new Uint8Array(HEADER + payload.length);
    const data = view(out);
    out[0] = type.charCodeAt(0);
    data.setUint16(2, payload.length);
    data.setUint32(4, lease);
    data.setBigUint64(8, BigInt(position));
    out.set(payload, HEADER);
    return out;
}

/** A name as the door takes it: printable, and cut at a whole character. */
export function name(text) {
    let out = '';
    let length = 0;
    for (const c of clean(text)) {
        length += encoder.encode(c).length;
        if (length > NAME_MAX) {
            break;
        }
        out += c;
    }
    return out;
}

export function hello(user) {
    return frame('H', { payload: Uint8Array.of(VERSION, ...encoder.encode(name(user))) });
}

/** @param mode a letter; @param count position or bytes; @param life 32 digits, of mode p only */
export function start(mode, count = 0, life = '') {
    const id = mode === 'p' ? life.match(/../g).map((digits) => parseInt(digits, 16)) : [];
    return frame('G', { position: count, payload: Uint8Array.of(mode.charCodeAt(0), ...id) });
}

export function keyboard(what) {
    return frame('W', { payload: Uint8Array.of(what.charCodeAt(0)) });
}

export function input(lease, position, bytes) {
    return frame('I', { lease, position, payload: bytes });
}

export function breakAt(lease, position, number) {
    const payload = new Uint8Array(8);
    view(payload).setBigUint64(0, BigInt(number));
    return frame('B', { lease, position, payload });
}

export function ping(payload = new Uint8Array()) {
    return frame('P', { payload });
}

/** What an A says */
export function accepted(payload) {
    const data = view(payload);
    return { taken: readCount(data, 0), limit: readCount(data, 8), breaks: readCount(data, 16) };
}

/** For a person to read: nothing in it moves a cursor or turns the writing round. */
export function clean(text) {
    return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\ufffd]/gu, '');
}

export function text(payload) {
    return clean(decoder.decode(payload));
}

// JSON: what is not as it should be counts as not said.

function asText(value, most = 200) {
    return typeof value === 'string' ? clean(value).slice(0, most) : '';
}

function asCount(value) {
    return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function asObject(value) {
    return value && typeof value === 'object' && !Array.isArray(value) ? value : null;
}

function asList(value, most) {
    return Array.isArray(value) ? value.slice(0, most).map(asObject).filter(Boolean) : [];
}

function asClient(value) {
    const client = asObject(value);
    return client && {
        client: asCount(client.client),
        name: asText(client.name, NAME_MAX),
        peer: asText(client.peer),
        role: client.role === 'write' ? 'write' : 'read',
        since: asCount(client.since),
    };
}

function asState(value) {
    const state = asObject(value);
    if (!state || !/^[0-9a-f]{32}$/.test(state.life)) {
        throw new WireError('a state without a life');
    }
    return {
        life: String(state.life),
        state: asText(state.state, 20),
        protection: asText(state.protection, 20),
        attached: state.attached === true,
        inputEnabled: state['input-enabled'] !== false,
        inputAccepted: asCount(state['input-accepted']),
        outputStart: asCount(state['output-start']),
        outputEnd: asCount(state['output-end']),
        movedTo: asText(state['moved-to']),
        writer: asClient(state.writer),
        clients: asList(state.clients, 64).map(asClient),
        clientsTotal: asCount(state['clients-total']),
        // null: this door does not say who has typed
        leases: Array.isArray(state.leases) ? asList(state.leases, 8).map((l) => (
            { lease: asCount(l.lease), start: asCount(l.start) })) : null,
    };
}

function parse(payload) {
    let value;
    try {
        value = JSON.parse(decoder.decode(payload));
    } catch {
        throw new WireError('JSON that is none');
    }
    if (!asObject(value)) {
        throw new WireError('JSON that is no object');
    }
    return value;
}

export function helloFromDoor(payload) {
    const said = parse(payload);
    if (said.version !== VERSION) {
        throw new WireError('another version');
    }
    return {
        guest: asText(said.guest),
        device: asText(said.device),
        host: asText(said.host),
        role: said.role === 'write' ? 'write' : 'read',
        client: asCount(said.client),
        state: asState(said.state),
    };
}

export function notice(payload) {
    const said = parse(payload);
    return { event: asText(said.event, 20), reason: asText(said.reason), state: asState(said.state) };
}
