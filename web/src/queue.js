// SPDX-License-Identifier: GPL-2.0-or-later
//
// What was typed and is not accepted yet: bytes and BREAKs in order, each to be accepted exactly once.

export const MOST = 262144;     // bytes that may wait

/** How far up what was sent under a lease was accepted, of all that was; null: nobody can say. */
export function acceptedOf(lease, sentEnd, position, leases) {
    if (!leases) {
        return position <= sentEnd ? position : null;
    }
    const at = leases.findIndex((l) => l.lease === lease);
    if (at >= 0) {
        return at + 1 < leases.length ? leases[at + 1].start : position;
    }
    return leases.length < 8 ? 0 : null;
}

/** Whether a BREAK that was sent under a lease is among those accepted since; null: nobody can say. */
export function breakAccepted(lease, leases) {
    if (leases?.at(-1)?.lease === lease) {
        return true;        // nobody else has typed since
    }
    return !leases || leases.length === 8 || leases.some((l) => l.lease === lease) ? null : false;
}

export class Queue {
    #items = [];        // Uint8Array, or 'break'
    #bytes = 0;
    base = 0;           // position of the first byte, while some were sent
    sent = 0;           // bytes, from the start, that are under way
    breakSent = null;   // the number of the BREAK that is under way

    get waiting() {
        return this.#bytes;
    }

    get breaks() {
        return this.#items.filter((item) => item === 'break').length;
    }

    /** Whether there was room for it */
    add(bytes) {
        if (this.#bytes + bytes.length > MOST) {
            return false;
        }
        if (bytes.length) {
            this.#items.push(bytes);
            this.#bytes += bytes.length;
        }
        return true;
    }

    addBreak() {
        if (this.breaks < 16) {
            this.#items.push('break');
        }
    }

    /** What is next after the bytes that are under way: bytes, at most so many, 'break' or null */
    next(most) {
        let skip = this.sent;
        for (const item of this.#items) {
            if (item === 'break') {
                return skip === 0 && this.sent === 0 ? item : null;
            }
            if (skip < item.length) {
                return most > 0 ? item.subarray(skip, skip + most) : null;
            }
            skip -= item.length;
        }
        return null;
    }

    /** So many bytes from the start were accepted. */
    drop(count) {
        let left = count;
        while (left > 0 && this.#items.length && this.#items[0] !== 'break') {
            const first = this.#items[0];
            const n = Math.min(left, first.length);
            if (n === first.length) {
                this.#items.shift();
            } else {
                this.#items[0] = first.subarray(n);
            }
            left -= n;
            this.#bytes -= n;
        }
        const dropped = count - left;
        this.base += dropped;
        this.sent = Math.max(0, this.sent - dropped);
    }

    dropBreak() {
        if (this.#items[0] === 'break') {
            this.#items.shift();
        }
        this.breakSent = null;
    }

    /** All of it, as text, which is then not waiting any more */
    clear() {
        const decoder = new TextDecoder();
        const text = this.#items.map((item) => (
            item === 'break' ? '<BREAK>' : decoder.decode(item, { stream: true }))).join('');
        this.#items = [];
        this.#bytes = 0;
        this.sent = 0;
        this.breakSent = null;
        return text;
    }
}
