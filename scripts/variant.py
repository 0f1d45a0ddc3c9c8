# SPDX-License-Identifier: GPL-2.0-or-later
"""
Variants of the programs of a build: some of their sources compiled again with other flags, by
another compiler, or from another text, and linked with all other objects as they are.

A variant is a folder with a build.ninja of its own; nothing of the build itself is changed.
"""

import contextlib
import fcntl
import json
import os
import re
import shlex
import subprocess
import sys

# What gcc is told in the build and clang does not know, or takes for something else
NOT_FOR_CLANG = re.compile('-W(?!l,)|-fzero-call-used-regs|-ftrivial-auto-var-init|-fdiagnostics')
# How the compilation's result and its dependencies are named, with the number of arguments
NAMING = {'-MD': 0, '-MQ': 1, '-MF': 1, '-o': 1, '-c': 1}


def escape(path):
    return re.sub('[$ :]', r'$\g<0>', path)


def is_ours(source):
    return source.startswith('shadow/')


def without(args, naming):
    """The arguments but for those named."""
    left, args = [], iter(args)
    for arg in args:
        if arg in naming:
            for _ in range(naming[arg]):
                next(args)
        else:
            left.append(arg)
    return left


class Build:
    """What ninja knows about a build of QEMU."""

    def __init__(self, folder, source):
        self.folder = os.path.abspath(folder)
        with open(os.path.join(self.folder, 'compile_commands.json'), encoding='utf-8') as file:
            compiles = json.load(file)
        # By object: its source, named from the top of QEMU's tree, and the command's arguments
        self.compiles = {
            entry['output']: (os.path.relpath(os.path.join(self.folder, entry['file']), source),
                              shlex.split(entry['command']))
            for entry in compiles}
        # The arguments that make a program, and the objects in a library
        self.links = self.commands('c_LINKER', 'c_LINKER_RSP')
        self.libraries = {
            name: [arg for arg in args if arg.endswith('.o')]
            for name, args in self.commands('STATIC_LINKER', 'STATIC_LINKER_RSP').items()}

    def commands(self, *rules):
        said = subprocess.run(['ninja', '-C', self.folder, '-t', 'compdb', '-x', *rules],
                              stdout=subprocess.PIPE, check=True).stdout
        return {entry['output']: shlex.split(entry['command']) for entry in json.loads(said)}

    def objects(self, target):
        """The objects in a program, with their sources; those in its libraries too."""
        named = self.links[target]
        named = {obj for arg in named for obj in self.libraries.get(arg, [arg])}
        return {obj: self.compiles[obj][0] for obj in named if obj in self.compiles}

    def including(self, header):
        """The objects of which ninja has seen that they depend on a header of ours."""
        said = subprocess.run(['ninja', '-C', self.folder, '-t', 'deps'], text=True,
                              stdout=subprocess.PIPE, check=True).stdout
        found, obj = set(), None
        for line in said.splitlines():
            if not line.startswith(' '):
                obj = line.split(': #deps')[0]
            elif line.endswith(f'/{header}'):
                found.add(obj)
        return found


class Variant:
    """Programs to be built in a folder."""

    def __init__(self, build, name):
        self.build = build
        self.folder = os.path.join(build.folder, 'variants', name)
        self.edges = {}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def compile(self, obj, *, source=None, flags=(), compiler=None, headers=None, into='', name=None):
        """Compile a source as the build compiles @obj; the new object's path is returned.
        headers: a folder whose headers come before all others"""
        out = self.path(into, name or obj)
        old = self.build.compiles[obj][1]
        original = old[old.index('-c') + 1]
        args = without(old, NAMING)
        if compiler:
            args = [compiler] + [arg for arg in args[1:] if not NOT_FOR_CLANG.match(arg)]
        if headers:
            args[1:1] = ['-iquote', headers]
        if source:
            # for headers that stand beside the file that it takes the place of
            flags = [*flags, '-iquote', os.path.dirname(original)]
        source = source or original
        command = shlex.join([*args, *flags, '-MD', '-MF', f'{out}.d', '-o', out, '-c', source])
        self.edges[out] = [
            f'build {escape(out)}: compile {escape(source)}',
            '  command = ' + command.replace('$', '$$'),
            f'  depfile = {out}.d',
            f'  what = {os.path.basename(source)}']
        return out

    def library(self, name, objects, into):
        """The library with @objects in place of its own; itself, if it has none of them."""
        members = self.build.libraries.get(name, [])
        if not objects.keys() & set(members):
            return name
        out = self.path(into, name)
        members = [objects.get(obj, obj) for obj in members]
        self.edges[out] = [f'build {escape(out)}: library ' + ' '.join(map(escape, members)),
                           f'  what = {os.path.relpath(out, self.folder)}']
        return out

    def link(self, target, objects, *, flags=(), compiler=None, into='', name=None, extra=()):
        """Link the program with @objects (old path: new path, or None to leave it out) in
        place of its own, and @extra."""
        out = self.path(into, name or os.path.basename(target))
        old = without(self.build.links[target], {'-o': 1})
        args = [objects.get(arg, arg) for arg in old[1:] if objects.get(arg, arg)]
        args = [self.library(arg, objects, into) for arg in args]
        args = [*extra, *args]
        inputs = [arg for arg in args if arg.endswith(('.o', '.a')) and arg[0] != '-']
        self.edges[out] = [
            f'build {escape(out)}: link ' + ' '.join(map(escape, inputs)),
            '  program = ' + shlex.join([compiler or old[0], *flags]).replace('$', '$$'),
            '  args = ' + shlex.join(args).replace('$', '$$'),
            f'  what = {os.path.relpath(out, self.folder)}']
        self.add_firmware(os.path.dirname(out))
        return out

    def add_firmware(self, folder):
        """An emulator looks for it beside itself."""
        os.makedirs(folder, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(f'{self.build.folder}/qemu-bundle', f'{folder}/qemu-bundle')

    def write(self):
        text = [f'builddir = {self.folder}',
                'rule compile', '  command = $command', '  depfile = $depfile', '  deps = gcc',
                '  description = compiling $what',
                'rule library', '  command = rm -f $out && ar csrD $out @$out.rsp',
                '  rspfile = $out.rsp', '  rspfile_content = $in', '  description = linking $what',
                'rule link', '  command = $program -o $out @$out.rsp', '  rspfile = $out.rsp',
                '  rspfile_content = $args', '  description = linking $what']
        for edge in self.edges.values():
            text += edge
        path = self.path('build.ninja')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(text) + '\n')
        return path

    def make(self):
        """Build what has changed; ninja says how far it is."""
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path('lock'), 'w', encoding='utf-8') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ninja = subprocess.run(['ninja', '-C', self.build.folder, '-f', self.write(),
                                    '-j', os.environ['JOBS']], stdout=sys.stderr, check=False)
        if ninja.returncode:
            sys.exit(f'shadow: error: {self.folder} could not be built, see above')
