// SPDX-License-Identifier: GPL-2.0-or-later
//
// The terminal. What was printed before the user came is drawn by a second one, which nobody sees and
// whose answers go nowhere: he gets the screen as it is then, and no question of long ago is answered.

import { SearchAddon } from '../xterm/addon-search.mjs';
import { SerializeAddon } from '../xterm/addon-serialize.mjs';
import { Terminal } from '../xterm/xterm.mjs';
import { clean } from './wire.js';

const SCROLLBACK = 5000;
const ROWS = 24;
const COLS = 80;

function terminal() {
    return new Terminal({
        allowProposedApi: true, cols: COLS, rows: ROWS, scrollback: SCROLLBACK,
        fontFamily: '"DejaVu Sans Mono", monospace',
        linkHandler: { activate() { /* what a guest prints leads nowhere */ } },
    });
}

export class Screen {
    #drawn = null;      // what was printed before, while it is coming
    #until = 0;

    /** @param typed(bytes) what is typed, or what the terminal answers */
    constructor(element, typed) {
        this.term = terminal();
        this.search = new SearchAddon();
        this.serialize = new SerializeAddon();
        [this.search, this.serialize].forEach((addon) => this.term.loadAddon(addon));
        this.term.open(element);
        const encoder = new TextEncoder();
        this.term.onData((text) => typed(encoder.encode(text)));
        this.term.onBinary((text) => typed(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    }

    /** All that comes up to a position is old. */
    redraw(until) {
        this.#drawn?.dispose();
        this.#drawn = terminal();
        this.#until = until;
        this.term.reset();
        if (until === 0) {
            this.#show();
        }
    }

    output(bytes, end) {
        if (!this.#drawn) {
            this.term.write(bytes);
            return;
        }
        const old = Math.max(0, bytes.length - Math.max(0, end - this.#until));
        this.#drawn.write(bytes.subarray(0, old));
        if (end >= this.#until) {
            this.#show();
            this.term.write(bytes.subarray(old));
        }
    }

    /** What comes meanwhile is written after it. */
    #show() {
        const drawn = this.#drawn;
        const later = [];
        this.#drawn = { write: (bytes) => later.push(bytes), dispose() { /* nothing yet */ } };
        const mine = this.#drawn;
        this.#until = Infinity;
        drawn.write('', () => {
            if (this.#drawn === mine) {
                const addon = new SerializeAddon();
                drawn.loadAddon(addon);
                this.term.write(addon.serialize());
                this.#drawn = null;
                later.forEach((bytes) => this.term.write(bytes));
            }
            drawn.dispose();
        });
    }

    /** A line of our own between what the guest prints */
    line(text) {
        this.term.write(`\x1b[0;7m\r\n[${clean(text)}]\x1b[0m\r\n`);
    }

    /** As it is now, to be shown after the page was loaded anew */
    kept() {
        return this.#drawn ? null : this.serialize.serialize({ scrollback: 1000 });
    }
}
