// SPDX-License-Identifier: GPL-2.0-or-later
//
// The page. What a door says is put in as text, never as HTML.

import { Screen } from './screen.js';
import { Session } from './session.js';
import { clean } from './wire.js';

const $ = (id) => document.getElementById(id);
const EXPOSED_AFTER = 3000; // milliseconds
const KEEP = 1 << 20;       // characters of a screen

const world = {
    connect: (url) => new WebSocket(url, 'binary'),
    setTimeout: (what, ms) => setTimeout(what, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    now: () => performance.now(),
};

let session;
let screen;
let store;

function isDoor(url) {
    try {
        return ['ws:', 'wss:'].includes(new URL(url).protocol);
    } catch {
        return false;
    }
}

/**
 * The doors of one console. If the operator's hosts.json is there, only what is in it: nobody is led
 * to a stranger's host by a link.
 */
async function doors() {
    const wanted = new URLSearchParams(location.search);
    const answer = await fetch('hosts.json', { cache: 'no-store' }).catch(() => null);
    if (answer?.ok) {
        const consoles = await answer.json();
        const names = Object.keys(consoles);
        const name = wanted.get('console') ?? (names.length === 1 ? names[0] : '');
        const urls = Object.hasOwn(consoles, name) ? consoles[name] : null;
        if (!Array.isArray(urls)) {
            throw new Error(`name a console: ?console=${names.join(' or ')}`);
        }
        return urls.filter(isDoor).slice(0, 16);
    }
    return wanted.getAll('host').filter(isDoor).slice(0, 16);
}

function put(id, text) {
    $(id).textContent = text;
}

function tag(id, text, kind) {
    put(id, text);
    $(id).className = `tag ${kind}`;
}

const STATES = { active: 'good', frozen: 'warn', incoming: 'warn', restored: 'warn', gone: 'bad' };
const PROTECTIONS = { private: 'good', forced: 'good', watched: 'good', none: 'bad', broken: 'bad' };
const PROTECTED = { private: 'private', forced: 'protected', watched: 'protected (watched)', none: 'NOT PROTECTED',
    broken: 'PROTECTION BROKEN' };

function who(client) {
    return `${client.name || 'somebody'} (${client.peer})`;
}

function since(seconds) {
    return new Date(seconds * 1000).toLocaleString();
}

let exposed = null;         // since when a guest that runs has had no protection

/** One that starts or arrives is protected a moment later: before that nothing is said. */
function showProtection({ protection, attached, state }) {
    const none = protection === 'none', runs = attached && state === 'active';
    exposed = none && runs ? exposed ?? performance.now() : null;
    if (none && !runs) {
        tag('protection', 'not running', 'warn');
        return;
    }
    const left = none ? exposed + EXPOSED_AFTER - performance.now() : 0;
    if (left > 0) {
        tag('protection', 'starting', 'warn');
        setTimeout(changed, left + 1);
        return;
    }
    const known = Object.hasOwn(PROTECTED, protection);
    tag('protection', known ? PROTECTED[protection] : protection, known ? PROTECTIONS[protection] : 'bad');
}

function showState(link) {
    const { state, hello } = link;
    put('where', `${hello.guest} ${hello.device}${hello.host ? ` on ${hello.host}` : ''}`);
    const kind = Object.hasOwn(STATES, state.state) ? STATES[state.state] : 'bad';
    const to = state.state === 'gone' && state.movedTo ? ` to ${state.movedTo}` : '';
    tag('state', `${state.state}${to}${state.attached ? '' : ', detached'}`, state.attached ? kind : 'warn');
    showProtection(state);
    put('writer', !state.writer ? 'nobody has the keyboard' :
        `keyboard: ${session.hasKeyboard ? 'you' : who(state.writer)} since ${since(state.writer.since)}`);
    put('readers', `${state.clientsTotal} connected`);
    $('readers').title = state.clients.map(who).join('\n');
}

function show() {
    const link = session.current;
    if (link?.open) {
        showState(link);
    } else {
        const why = session.links.map((one) => one.error).find(Boolean);
        tag('state', session.conflict ? 'TWO HOSTS SAY THAT THE GUEST IS THERE: nothing is sent' :
            why || 'connecting', 'bad');
        tag('protection', '', '');
        put('writer', '');
        put('readers', '');
    }
    const has = session.hasKeyboard;
    put('take', link?.state?.writer && !has ? 'Take over' : 'Take the keyboard');
    $('take').hidden = has;
    $('take').disabled = !link || link.hello?.role !== 'write';
    $('release').hidden = !session.wanted;
    $('break').disabled = !session.wanted;
    const breaks = session.waitingBreaks ? `, ${session.waitingBreaks} BREAK` : '';
    $('waiting').hidden = !session.waiting && !breaks;
    put('waiting', `${session.waiting} bytes wait${breaks}`);
}

let due = false;

/** Once a frame, however much comes */
function changed() {
    if (!due) {
        due = true;
        requestAnimationFrame(() => {
            due = false;
            show();
        });
    }
}

function unsent(text, why) {
    put('unsent-why', why);
    put('unsent-text', text);
    $('unsent').hidden = false;
}

/** Ask; what: shown as it is */
function ask(question, what = '') {
    put('ask-text', question);
    put('ask-what', what.slice(0, 2000));
    $('ask').returnValue = 'no';
    $('ask').showModal();
    return new Promise((resolve) => {
        $('ask').onclose = () => {
            $('ask').onclose = null;
            resolve($('ask').returnValue === 'yes');
            screen.term.focus();
        };
    });
}

async function paste(event) {
    const text = event.clipboardData?.getData('text/plain') ?? '';
    event.preventDefault();
    event.stopPropagation();
    const lines = text.split(/\r\n|\r|\n/).length;
    if ($('ask').open) {
        return;
    }
    if (lines === 1 || await ask(`Send ${lines} lines?`, text)) {
        screen.term.paste(text);
    }
}

async function take() {
    const writer = session.current?.state?.writer;
    if (!writer) {
        session.take('t');
    } else if (await ask(`Take the keyboard from ${who(writer)}?`)) {
        session.take('f');
    }
    screen.term.focus();
}

function typed(bytes) {
    if (!session?.type(bytes) && session?.wanted) {
        put('told', 'too much waits: this was not taken');
    }
}

function load() {
    try {
        const kept = JSON.parse(sessionStorage.getItem(store));
        return kept && /^[0-9a-f]{32}$/.test(kept.life) && Number.isSafeInteger(kept.position) &&
            typeof kept.screen === 'string' ? kept : null;
    } catch {
        return null;
    }
}

/** All that was written must be on the screen first, so that the position is the screen's. */
function keep() {
    const { life, position } = session;
    screen.term.write('', () => {
        const text = screen.kept();
        if (position !== null && text !== null && text.length <= KEEP && position === session.position) {
            sessionStorage.setItem(store, JSON.stringify({ life, position, screen: text }));
        }
    });
}

function wire() {
    $('take').onclick = take;
    $('release').onclick = () => session.release();
    $('break').onclick = () => session.sendBreak();
    $('redraw').onclick = () => session.redraw();
    $('unsent-close').onclick = () => { $('unsent').hidden = true; };
    $('terminal').addEventListener('paste', paste, true);
    $('search').onkeydown = (event) => {
        if (event.key === 'Enter') {
            const text = $('search').value;
            const found = event.shiftKey ? screen.search.findPrevious(text) : screen.search.findNext(text);
            put('found', found ? '' : 'not found');
        }
    };
    setInterval(keep, 2000);
    addEventListener('visibilitychange', keep);
}

async function begin() {
    const urls = await doors();
    if (!urls.length) {
        throw new Error('no host is named: see docs/web.rst');
    }
    store = `shadow ${urls.join(' ')}`;
    screen = new Screen($('terminal'), typed);
    const kept = load();
    if (kept) {
        screen.term.write(kept.screen);
    }
    const user = localStorage.getItem('name') ?? 'web';
    session = new Session(urls, user, world, {
        output: (bytes, end) => screen.output(bytes, end),
        redraw: (until) => screen.redraw(until),
        gap: (count) => screen.line(`${count} bytes were overwritten before they came here`),
        unsent,
        tell: (text) => put('told', clean(text)),
        changed,
    }, kept);
    wire();
    session.start();
    screen.term.focus();
    // For the tests, and for whoever looks with the browser's tools: nothing that the page has not
    globalThis.shadow = { session, screen };
}

begin().catch((error) => tag('state', error.message, 'bad'));
