// SPDX-License-Identifier: GPL-2.0-or-later
//
// One door: a websocket that comes again by itself, and what the door has said last.

import * as wire from './wire.js';

const AGAIN_FIRST = 500;        // milliseconds
const AGAIN_MOST = 10000;
const PING_EVERY = 15000;
const SILENT_MOST = 45000;

export class Link {
    hello = null;       // while it is open
    state = null;
    lease = 0;
    limit = 0;
    accepted = 0;
    breaks = 0;
    error = '';         // why it is not open

    #socket = null;
    #reader = null;
    #again = AGAIN_FIRST;
    #timer = null;
    #heard = 0;

    /**
     * @param {string} url of the door
     * @param {string} user the name to tell
     * @param world { connect(url): WebSocket, setTimeout, clearTimeout, now() }
     * @param owner { said(link, frame), opened(link), closed(link) }
     */
    constructor(url, user, world, owner) {
        this.url = url;
        this.user = user;
        this.world = world;
        this.owner = owner;
    }

    get open() {
        return this.hello !== null;
    }

    connect() {
        const socket = this.world.connect(this.url);
        this.#socket = socket;
        this.#reader = new wire.Reader();
        this.#heard = this.world.now();
        socket.binaryType = 'arraybuffer';
        socket.onmessage = (event) => this.#socket === socket && this.#received(event.data);
        socket.onclose = () => this.#socket === socket && this.#gone('no connection');
        this.#later(PING_EVERY, () => this.#alive());
    }

    close(why) {
        const socket = this.#socket;
        if (socket) {
            this.#gone(why);
            socket.close();
        }
    }

    stop() {
        this.close('left');
        this.world.clearTimeout(this.#timer);
    }

    send(bytes) {
        if (this.#socket && this.#socket.readyState === 1) {
            this.#socket.send(bytes);
        }
    }

    #later(ms, what) {
        this.world.clearTimeout(this.#timer);
        this.#timer = this.world.setTimeout(what, ms);
    }

    #alive() {
        if (this.world.now() - this.#heard > SILENT_MOST) {
            this.close('the host is silent');
            return;
        }
        if (this.open) {
            this.send(wire.ping());
        }
        this.#later(PING_EVERY, () => this.#alive());
    }

    #received(data) {
        this.#heard = this.world.now();
        try {
            if (!(data instanceof ArrayBuffer)) {
                throw new wire.WireError('text, where frames should be');
            }
            this.#reader.push(new Uint8Array(data), (frame) => this.#socket && this.#take(frame));
        } catch (error) {
            if (!(error instanceof wire.WireError)) {
                throw error;
            }
            this.close(`the host sent ${error.message}`);
        }
    }

    #take(frame) {
        if (frame.type === 'E') {
            this.close(wire.text(frame.payload) || 'closed by the host');
            return;
        }
        if (this.open === (frame.type === 'H')) {
            throw new wire.WireError(this.open ? 'a second hello' : 'no hello');
        }
        if (frame.type === 'H') {
            this.hello = wire.helloFromDoor(frame.payload);
            this.state = this.hello.state;
            this.error = '';
            this.#again = AGAIN_FIRST;
            this.send(wire.hello(this.user));
            this.owner.opened(this);
            return;
        }
        if (frame.type === 'W' || frame.type === 'A') {
            this.#keyboard(frame);
        }
        this.owner.said(this, frame);
    }

    #keyboard(frame) {
        this.accepted = frame.position;
        if (frame.type === 'W') {
            this.lease = frame.lease;
            this.limit = frame.position;
            return;
        }
        const said = wire.accepted(frame.payload);
        if (frame.lease === this.lease && said.limit >= frame.position) {
            this.limit = said.limit;
            this.breaks = said.breaks;
        }
    }

    #gone(why) {
        this.#socket = null;
        this.#reader = null;
        this.hello = null;
        this.state = null;
        this.lease = 0;
        this.error = why;
        this.#later(this.#again, () => this.connect());
        this.#again = Math.min(this.#again * 2, AGAIN_MOST);
        this.owner.closed(this);
    }
}
