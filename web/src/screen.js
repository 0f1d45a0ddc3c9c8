// SPDX-License-Identifier: GPL-2.0-or-later
//
// The terminal. What was printed before the user came is drawn by another one, which nobody sees and
// whose answers go nowhere: no question of long ago is answered. When it has drawn all of that, it is the
// one that the user sees, with whatever it knows: cursor, modes, half a sequence.

import { SearchAddon } from '../xterm/addon-search.mjs';
import { SerializeAddon } from '../xterm/addon-serialize.mjs';
import { Terminal } from '../xterm/xterm.mjs';
import { clean } from './wire.js';

const SCROLLBACK = 5000;
const ROWS = 24;
const COLS = 80;

const encoder = new TextEncoder();

function terminal() {
    return new Terminal({
        allowProposedApi: true, cols: COLS, rows: ROWS, scrollback: SCROLLBACK,
        fontFamily: '"DejaVu Sans Mono", monospace',
        linkHandler: { activate() { /* what a guest prints leads nowhere */ } },
    });
}

export class Screen {
    term = null;        // what the user sees

    #element;
    #typed;
    #drawing = null;    // what draws what was printed before, until it has
    #until = 0;

    /** @param typed(bytes) what is typed, or what the terminal answers */
    constructor(element, typed) {
        this.#element = element;
        this.#typed = typed;
        this.#see(terminal());
    }

    #see(term) {
        const focused = this.#element.contains(document.activeElement);
        this.term?.dispose();
        this.term = term;
        this.search = new SearchAddon();
        this.serialize = new SerializeAddon();
        [this.search, this.serialize].forEach((addon) => term.loadAddon(addon));
        term.open(this.#element);
        term.onData((text) => this.#typed(encoder.encode(text)));
        term.onBinary((text) => this.#typed(Uint8Array.from(text, (c) => c.charCodeAt(0))));
        if (focused) {
            term.focus();
        }
    }

    /** What comes now is drawn anew; all of it up to a position is old. */
    redraw(until) {
        this.#drawing?.dispose();
        this.#drawing = terminal();
        this.#until = until;
        if (until === 0) {
            this.#drawn();
        }
    }

    output(bytes, end) {
        const drawing = this.#drawing;
        if (!drawing || this.#until === null) {
            (drawing ?? this.term).write(bytes);
            return;
        }
        const old = Math.max(0, bytes.length - Math.max(0, end - this.#until));
        drawing.write(bytes.subarray(0, old));
        if (end >= this.#until) {
            this.#drawn();
            drawing.write(bytes.subarray(old));
        }
    }

    /** All that is old was given to it: what comes next is answered, for that it is seen by then. */
    #drawn() {
        const drawing = this.#drawing;
        this.#until = null;
        drawing.write('', () => {
            if (this.#drawing === drawing) {
                this.#drawing = null;
                this.#see(drawing);
            }
        });
    }

    /** A line of our own between what the guest prints */
    line(text) {
        (this.#drawing ?? this.term).write(`\x1b[0;7m\r\n[${clean(text)}]\x1b[0m\r\n`);
    }

    /** As it is now, to be shown after the page was loaded anew; null while it is drawn */
    kept() {
        if (this.#drawing) {
            return null;
        }
        const { cursorX, cursorY } = this.term.buffer.active;
        const text = this.serialize.serialize({ scrollback: 1000 });
        // After a full line the addon is wrong by a column.
        return cursorX === this.term.cols || this.term.modes.originMode ? text :
            `${text}\x1b[${cursorY + 1};${cursorX + 1}H`;
    }
}
