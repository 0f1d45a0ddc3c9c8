// SPDX-License-Identifier: GPL-2.0-or-later
//
// A user at a console, which is on one of several hosts and may move between them. What it prints is
// shown once, what is typed is sent once. Knows nothing of pages, websockets or clocks: see Link.

import { Link } from './link.js';
import { Queue, acceptedOf, breakAccepted } from './queue.js';
import * as wire from './wire.js';

export class Session {
    current = null;     // the Link of the host where the guest is
    conflict = false;   // more than one host says that it is there
    life = '';
    position = null;    // of the next byte of output; null: whatever comes first
    wanted = false;     // whether the user wants the keyboard
    answer = '';        // what the door said last about the keyboard

    #queue = new Queue();
    #sentUnder = 0;     // the lease under which it was sent
    #sentMost = 0;      // bytes from the queue's start that may have been accepted
    #breakUnder = 0;    // the lease under which a BREAK is under way
    #granted = false;   // the keyboard, and no A has come yet
    #asked = false;     // for the keyboard, and not answered yet
    #holding = null;    // the Link over which the keyboard was given
    #had = false;       // it, over a connection that has broken
    #refused = false;   // what was sent: nothing is until something has changed
    #limit = 0;         // and these are the numbers of then
    #started = null;    // the Link that was told where output starts
    #old = 0;           // what was printed up to there was printed before the user came, or seen by him
    #anew = false;      // the host was asked for it once more, and none of that has come yet
    #lost = null;       // { link, position } where the keyboard was lost, until it is known who has it

    /**
     * @param {string[]} urls of the doors, one on each host
     * @param screen { output(bytes), redraw(end), gap(count), unsent(text, why), tell(text), changed() }
     */
    constructor(urls, user, world, screen, kept = null) {
        this.screen = screen;
        if (kept) {
            this.life = kept.life;
            this.position = kept.position;
        }
        this.user = wire.name(user);
        this.links = urls.map((url) => new Link(url, user, world, this));
    }

    start() {
        this.links.forEach((link) => link.connect());
    }

    stop() {
        this.links.forEach((link) => link.stop());
    }

    get hasKeyboard() {
        return Boolean(this.current?.lease);
    }

    get waiting() {
        return this.#queue.waiting;
    }

    get waitingBreaks() {
        return this.#queue.breaks;
    }

    /** What the user typed, or the terminal answered. False if it goes nowhere. */
    type(bytes) {
        if (!this.wanted || !this.#queue.add(bytes)) {
            return false;
        }
        this.#pump();
        this.screen.changed();
        return true;
    }

    sendBreak() {
        if (this.wanted) {
            this.#queue.addBreak();
            this.#pump();
            this.screen.changed();
        }
    }

    take(how) {
        if (this.current && this.current.hello.role !== 'write') {
            this.screen.tell('this door is for readers');
            return;
        }
        this.wanted = true;
        this.#ask(how);
    }

    release() {
        this.wanted = false;
        if (this.hasKeyboard || this.#asked) {
            this.current.send(wire.keyboard('r'));
        }
        this.#discard('you released the keyboard');
    }

    /** Show the screen anew, from all that the host still has. */
    redraw() {
        if (this.current) {
            this.#anew = true;
            this.current.send(wire.start('b'));
        }
    }

    opened() {
        this.#choose();
    }

    closed(link) {
        if (link === this.#started) {
            this.#started = null;
        }
        if (link === this.#holding) {
            this.#holding = null;
            this.#had = true;
        }
        if (link === this.current) {
            this.#asked = false;
        }
        if (link === this.#lost?.link) {
            this.#lost = null;
        }
        this.#choose();
    }

    said(link, frame) {
        if (frame.type === 'N') {
            const said = wire.notice(frame.payload);
            link.state = said.state;
            if (link === this.current) {
                this.#refused = false;
            }
            if (said.reason && link === this.current) {
                this.screen.tell(said.reason);
            }
            this.#checkLost(link);
            this.#choose();
        } else if (link === this.current) {
            this.#take(link, frame);
        } else if (frame.type === 'W' && frame.lease) {
            // It was asked while the guest was there.
            link.lease = 0;
            link.send(wire.keyboard('r'));
        }
        this.screen.changed();
    }

    /** The host that has the guest, or that had it last as long as no other has it */
    #choose() {
        const active = this.links.filter((link) => link.open && link.state.state === 'active');
        this.conflict = active.length > 1;
        const still = this.links.filter((link) => link.open && link.state.state === 'frozen');
        const chosen = this.conflict ? null : active[0] ?? still[0] ??
            (this.current?.open ? this.current : null);
        if (chosen !== this.current) {
            this.current = chosen;
            this.#asked = false;
            this.#queue.sent = 0;
        }
        if (chosen) {
            this.#live(chosen);
            if (this.#started !== chosen) {
                this.#startOutput(chosen);
            }
            if (this.wanted && !chosen.lease && this.#mayAsk(chosen) && !this.#ownStill(chosen)) {
                this.#ask('t');
            }
            this.#pump();
        }
        this.screen.changed();
    }

    /** If the console has another life, no count applies. */
    #live(link) {
        if (link.state.life !== this.life) {
            const first = this.life === '';
            this.life = link.state.life;
            this.position = null;
            this.#anew = this.#started === link;
            this.#started = null;
            if (!first) {
                this.screen.tell('the console began anew: a state was used again');
                this.#discard('the console has another life');
            }
        }
    }

    #startOutput(link) {
        if (!link) {
            return;
        }
        this.links.filter((other) => other !== link && other.open && other === this.#started)
            .forEach((other) => other.send(wire.start('n')));
        this.#started = link;
        if (this.position === null) {
            this.#old = link.state.outputEnd;
            this.screen.redraw(this.#old);
            link.send(wire.start('b'));
        } else {
            this.#anew = false;
            link.send(wire.start('p', this.position, this.life));
        }
    }

    #mayAsk(link) {
        return !this.#asked && !this.#lost && link.hello.role === 'write' && link.state.state === 'active' &&
            link.state.attached;
    }

    #ask(how) {
        if (this.current?.hello.role === 'write') {
            this.#asked = true;
            this.current.send(wire.keyboard(how));
        }
    }

    #take(link, frame) {
        if (frame.type === 'O') {
            this.#output(link, frame);
        } else if (frame.type === 'W') {
            this.#keyboard(link, frame);
        } else if (frame.type === 'A') {
            this.#accepted(link);
        } else if (frame.type === 'R') {
            this.screen.tell(wire.text(frame.payload));
            this.#refused = true;       // the same numbers follow: they are no reason to send it anew
            this.#limit = link.limit;
            this.#queue.sent = 0;
            this.#queue.breakSent = null;
        }
    }

    #output(link, frame) {
        if (link !== this.#started) {
            return;
        }
        const end = frame.position + frame.payload.length;
        if (this.#anew && this.position !== null && frame.position < this.position) {
            this.#anew = false;
            this.#old = Math.max(this.#old, this.position);
            this.screen.redraw(this.#old);
            this.position = null;
        }
        if (this.position !== null && frame.position > this.position) {
            this.screen.gap(frame.position - this.position);
        }
        const known = this.position === null ? 0 : Math.max(0, this.position - frame.position);
        if (known < frame.payload.length) {
            this.position = end;
            this.screen.output(frame.payload.subarray(known), end);
        }
    }

    #keyboard(link, frame) {
        const held = this.#holding === link;
        this.#asked = false;
        this.#refused = false;
        this.#holding = null;
        this.#had &&= !held && !frame.lease;
        this.answer = wire.text(frame.payload);
        if (!frame.lease) {
            this.#denied(link, frame, held);
            return;
        }
        if (link.hello.role !== 'write') {
            link.close('the host gave the keyboard to a reader');
            return;
        }
        this.#lost = null;
        this.#holding = link;
        this.#settle(frame.position, link.state.leases);
        this.#queue.base = frame.position;
        this.#queue.sent = 0;
        this.#sentMost = 0;
        this.#granted = true;
        this.#sentUnder = frame.lease;
    }

    /** It was ours, or was asked for. */
    #denied(link, frame, held) {
        if (!this.wanted) {
            return;
        }
        if (held) {
            this.#lost = { link, position: frame.position };
            if (link.state.writer) {
                this.#checkLost(link);
            }
        } else if (!this.#ownStill(link)) {
            this.#giveUp(link, frame.position);
        }
        this.screen.tell(this.answer);
    }

    /** Ourselves, over a connection of which the door does not know yet that it has ended */
    #ownStill(link) {
        return this.#had && link.state.writer?.name === this.user;
    }

    /**
     * It was ours. Where the user has to know more before he types on, he takes it anew: another has it,
     * or the guest is here and not as it was. Else it ended with the guest's stay, and is asked for again.
     */
    #checkLost(link) {
        const { writer, state, attached, protection } = link.state;
        if (this.#lost?.link !== link || writer?.client === link.hello.client) {
            return;     // the notice of it has not come yet
        }
        if (writer || (state === 'active' && (!attached || protection === 'broken'))) {
            this.#giveUp(link, this.#lost.position);
        }
        this.#lost = null;
    }

    #giveUp(link, position) {
        this.#settle(position, link.state.leases);
        this.wanted = false;
        this.#discard(this.answer);
    }

    /** What had been sent under the last lease: was it accepted? */
    #settle(position, leases) {
        const queue = this.#queue;
        if (!this.#sentUnder || !queue.waiting) {
            return;
        }
        const end = acceptedOf(this.#sentUnder, queue.base + this.#sentMost, position, leases);
        this.#sentUnder = 0;
        if (end === null) {
            this.#discard('it is not known how much of it was accepted');
        } else if (end > queue.base) {
            queue.drop(Math.min(end - queue.base, this.#sentMost));
        }
        this.#sentMost = 0;
    }

    #accepted(link) {
        const queue = this.#queue;
        this.#settleBreak(link);
        this.#granted = false;
        const count = link.accepted - queue.base;
        if (count < 0 || count > this.#sentMost) {
            link.close('the host accepted what was not sent');
            return;
        }
        if (count || link.limit !== this.#limit) {
            this.#refused = false;
        }
        queue.drop(count);
        this.#sentMost -= count;
        this.#pump();
    }

    /** The BREAK that is under way: was it accepted? Who has the keyboard is the only one to send some. */
    #settleBreak(link) {
        const queue = this.#queue;
        if (queue.breakSent === null) {
            return;
        }
        const more = link.breaks > queue.breakSent;
        const ours = link.lease === this.#breakUnder || breakAccepted(this.#breakUnder, link.state.leases);
        if (more && ours) {
            queue.dropBreak();
        } else if (more && ours === null) {
            this.#discard('it is not known whether the BREAK was accepted');
        } else if (this.#granted) {
            queue.breakSent = null;     // it was not accepted: it is sent anew
        }
    }

    #pump() {
        const link = this.current;
        const queue = this.#queue;
        if (!link?.lease || this.conflict || this.#granted || this.#refused) {
            return;
        }
        for (;;) {
            const at = queue.base + queue.sent;
            const next = queue.next(Math.min(link.limit - at, wire.PAYLOAD_MAX));
            if (next === 'break') {
                if (queue.breakSent === null && link.state.state === 'active') {
                    queue.breakSent = link.breaks;
                    this.#breakUnder = link.lease;
                    link.send(wire.breakAt(link.lease, at, link.breaks));
                }
                return;
            }
            if (!next) {
                return;
            }
            link.send(wire.input(link.lease, at, next));
            queue.sent += next.length;
            this.#sentMost = Math.max(this.#sentMost, queue.sent);
        }
    }

    #discard(why) {
        if (this.#queue.waiting || this.#queue.breaks) {
            this.screen.unsent(this.#queue.clear(), why);
        }
        this.#sentMost = 0;
        this.#sentUnder = 0;
        this.screen.changed();
    }
}
