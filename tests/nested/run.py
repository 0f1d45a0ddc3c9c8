#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the nested tests: every function test_* of the files test_*.py.

A test takes what it needs as arguments, see Fixtures. The tests that take the same are a
group: they run one after the other and share it; after a failure it is made anew. Groups run at
the same time, as many as there are processors. Tests that are marked with lab.long are run if
they are named, or with --long.
"""

import contextlib
import glob
import importlib
import inspect
import itertools
import os
import re
import sys
import time
import traceback

import lab
import workers
from lab.patience import busier, slower

SLOWEST = 12


class Fixtures:
    """What tests share: started when first asked for."""

    def __init__(self, config):
        self.config = config
        self.made = {}

    def get(self, name):
        if name == 'config':
            return self.config
        if name not in self.made:
            stack = contextlib.ExitStack()
            with stack:
                thing = getattr(self, f'make_{name}')(stack)
                self.made[name] = thing, stack.pop_all()
        return self.made[name][0]

    def drop(self, names):
        for name in set(names) & set(self.made):
            self.made.pop(name)[1].close()

    def hosts(self, names=None):
        for name, (thing, _) in self.made.items():
            if names is None or name in names:
                yield from getattr(thing, 'hosts', [getattr(thing, 'host', thing)])

    def kill(self, names):
        for host in self.hosts(names):
            host.kill()
        with contextlib.suppress(Exception):
            self.drop(names)

    def start_host(self, stack, **options):
        from lab.emulated import cloud_host
        return stack.enter_context(cloud_host(self.config, **options)
                                   .launch()).wait_ready()

    def make_host(self, stack):
        """A host without a user VM"""
        return self.start_host(stack)

    def make_plain(self, stack):
        """A user VM with an ordinary serial port, on a host without our devices, its
        user logged in; L1 has watched that"""
        from lab.plain import PlainVm
        from lab.trace import PioTrace
        plain = stack.enter_context(PlainVm(self.start_host(stack, ultracall=False)))
        plain.wait_login()
        trace = PioTrace(plain.host).start()
        plain.login()
        plain.seen = trace.stop()
        return plain

    def make_vm(self, stack):
        """A user VM, its user logged in as root; L1 has watched from the start"""
        return self.start_watched(stack, self.start_host(stack), user='root', append='')

    @staticmethod
    def start_watched(stack, host, **options):
        from lab.trace import PioTrace
        from lab.uservm import UserVm
        trace = PioTrace(host).start()
        vm = stack.enter_context(UserVm(host, **options))
        vm.login()
        vm.seen = trace.stop()
        return vm

    def make_private_vm(self, stack):
        """A private user VM with two virtual CPUs and all of lab.private's devices, root logged
        in at its console"""
        from lab.private import DEVICES, DISK, PrivateVm
        host = self.start_host(stack, cpus=2, memory=1280)
        host.run(f'dd if=/dev/zero of=/tmp/disk bs=1M count={DISK}', check=True)
        vm = stack.enter_context(PrivateVm(host, cpus=2, extra=DEVICES)).login()
        assert vm.console.command('l2-load')[0] == 0
        return vm

    def make_private_host(self, stack):
        """A host for private user VMs, with two virtual CPUs"""
        return self.start_host(stack, cpus=2, memory=1280)

    def make_two_vms(self, stack):
        """Two user VMs, one with two ports and one with two virtual CPUs, on a host
        with two virtual CPUs, and their users logged in; L1 has watched"""
        from lab.uservm import TwoVms
        return stack.enter_context(TwoVms(self.start_host(stack, cpus=2)))

    def make_numa_vm(self, stack):
        """A user VM as make_vm has it, on a host with two CPUs and two NUMA nodes, its user a
        plain client of the chardev"""
        from lab.host import two_nodes
        host = self.start_host(stack, cpus=2, memory=1024, extra=two_nodes(1024))
        return self.start_watched(stack, host, user='root', chardev=True)

    def make_pair(self, stack):
        """Two hosts, a user VM with two ports at one of them, its user logged in"""
        from lab.pair import Pair
        pair = stack.enter_context(Pair(self.config))
        pair.start_session()
        return pair

    def make_chardev_pair(self, stack):
        """The same, of which the user is a plain client of the chardev"""
        from lab.pair import ChardevPair
        pair = stack.enter_context(ChardevPair(self.config))
        pair.start_session()
        return pair

    def make_plugin_pair(self, stack):
        """As make_pair, with Debian's own QEMU and the plug-in; L1 has watched"""
        from lab.debian import DebianPair
        from lab.trace import PioTrace
        pair = stack.enter_context(DebianPair(self.config))
        trace = PioTrace(pair.source).start()
        pair.start_session()
        pair.seen = trace.stop()
        return pair

    def make_kvm_pair(self, stack):
        """Two hosts with KVM, a user VM at one of them, its user logged in; L1 has
        watched from the start"""
        from lab.pair import Pair
        from lab.trace import PioTrace
        pair = stack.enter_context(Pair(self.config, accel='kvm'))
        pair.add_guest('vm1')
        trace = PioTrace(pair.source).start()
        pair.console = pair.boot(append='quiet')
        pair.new_session()
        pair.seen = trace.stop()
        return pair

    def start_libvirt(self, stack, emulator, **options):
        """Two hosts with libvirt, which has started a user VM with two ports at one of
        them, its user logged in"""
        from lab.libvirt import LibvirtPair
        pair = stack.enter_context(LibvirtPair(self.config, emulator, **options))
        pair.start_session()
        return pair

    def make_libvirt_shadow(self, stack):
        """With our own emulator"""
        return self.start_libvirt(stack, 'shadow')

    def make_libvirt_plugin(self, stack):
        """With Debian's, and our package for it"""
        from lab.libvirt import debian_files
        return self.start_libvirt(stack, 'plugin', files=debian_files(stack),
                                  set_up='sh /DEBIAN/postinst configure')

    def make_libvirt_confined(self, stack):
        """As the last one, with AppArmor, which enforces a profile for each emulator"""
        from lab.libvirt import debian_files
        return self.start_libvirt(stack, 'plugin', files=debian_files(stack),
                                  set_up='sh /DEBIAN/postinst configure', confined=True)

    def make_libvirt_locked(self, stack):
        """As the last one, and the cloud VMs' kernels are locked down"""
        from lab.libvirt import debian_files
        return self.start_libvirt(stack, 'plugin', files=debian_files(stack), locked=True,
                                  set_up='sh /DEBIAN/postinst configure', confined=True)

    def make_libvirt_null_serial(self, stack):
        """With Debian's, and a domain that knows nothing of it, as OpenStack's"""
        from lab.libvirt import WRAPPED, debian_files
        return self.start_libvirt(stack, 'null-serial', files=debian_files(stack),
                                  set_up=f'sh /DEBIAN/postinst configure; {WRAPPED}')

    def start_emulated(self, stack, **options):
        from lab.emulated import EmulatedCloudHost
        return stack.enter_context(EmulatedCloudHost(self.config, **options)
                                   .launch()).wait_ready()

    def make_kvm_vm(self, stack):
        """A user VM as make_vm has it, with KVM as the outer accelerator"""
        from lab.emulated import cloud_host
        host = stack.enter_context(cloud_host(self.config, accel='kvm').launch())
        return self.start_watched(stack, host.wait_ready())

    def make_kvm_old_vm(self, stack):
        """A user VM as make_vm has it, with KVM of Linux 6.1"""
        return self.start_watched(stack, self.start_emulated(stack, kernel='6.1'))

    def make_kvm_exposed(self, stack):
        """A host that can protect nothing, its operator having allowed that; without a user VM"""
        from lab.emulated import EmulatedCloudHost
        host = EmulatedCloudHost(self.config)
        host.command = ['env', 'LD_PRELOAD=/lib/older-kvm.so', *host.command]
        stack.enter_context(host.launch())
        host.guest_properties = {'unprotected': True}
        return host.wait_ready()

    def make_kvm_exposed_vm(self, stack):
        """A user VM on such a host"""
        return self.start_watched(stack, self.make_kvm_exposed(stack))

    def make_kvm_forced_vm(self, stack):
        """With KVM of Linux 6.12 with the change in contrib/"""
        from lab.kvmhost import changed_modules
        return self.start_watched(stack, self.start_emulated(
            stack, modules=changed_modules()))

    def make_xen(self, stack):
        """A cloud VM with Xen, and a second one when a test asks for it"""
        from lab.xen import XenPair
        return stack.enter_context(XenPair(self.config))

    def make_xen_pvh(self, stack):
        """One whose control domain is itself a guest of Xen's by hardware virtualization"""
        from lab.xen import PVH, XenPair
        return stack.enter_context(XenPair(self.config, **PVH))

    def make_bare(self, stack):
        """Starts a cloud VM without Linux, under TCG"""
        from lab.bare import Bare, Here
        return Bare(lambda: Here(self.config, 'tcg'))

    def make_bare_kvm(self, stack, **options):
        """The same with KVM as the outer accelerator, as Linux 6.12 has it"""
        from lab.bare import start_there
        return start_there(self.config, stack, **options)

    def make_bare_kvm_61(self, stack):
        """As Linux 6.1 has it: no ultracall by instruction"""
        return self.make_bare_kvm(stack, kernel='6.1')

    def make_bare_forced(self, stack):
        """As Linux 6.12 has it with the change in contrib/"""
        from lab.kvmhost import changed_modules
        return self.make_bare_kvm(stack, modules=changed_modules())


def run_test(function, fixtures):
    """How long it took, and if it has failed what there is to say of that"""
    used = list(inspect.signature(function).parameters)
    started = time.monotonic()
    try:
        function(*[fixtures.get(argument) for argument in used])
        why = ''
    except KeyboardInterrupt:
        raise
    except Exception:
        why = traceback.format_exc()
        for host in fixtures.hosts():
            if host.process:
                why += f'--- {host.name}: ended={not host.alive()}\n{host.log()}'
                why += host.kernel_log()[-1000:]
        # What a failed test leaves behind is not the next one's.
        fixtures.kill(used)
    return time.monotonic() - started, why


def run_group(tests, config):
    """What comes of each test, as it ends."""
    fixtures = Fixtures(config)
    try:
        for name, function in tests:
            yield name, *run_test(function, fixtures)
    finally:
        with contextlib.suppress(Exception):
            fixtures.drop(list(fixtures.made))


def find_tests(patterns, long):
    here = os.path.dirname(os.path.abspath(__file__))
    tests = []
    for path in sorted(glob.glob(f'{here}/test_*.py')):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, function in vars(module).items():
            full = f'{module.__name__}.{name}'
            if name.startswith('test_') and callable(function) and \
                    (any(re.search(p, full) for p in patterns) if patterns
                     else long or not getattr(function, 'long', False)):
                tests.append((list(inspect.signature(function).parameters), full,
                              function))
    # The order of the files is kept among those that share a fixture.
    return sorted(tests, key=lambda test: test[0])


def group(tests):
    """Those that share what they need; the largest groups first, so that no processor has
    nothing to do at the end"""
    groups = [[(full, function) for _, full, function in some]
              for _, some in itertools.groupby(tests, key=lambda test: test[0])]
    return sorted(groups, key=len, reverse=True)


def run_all(tests, config, count):
    """How long each test took, and which ones have failed"""
    times, failed = {}, set()
    groups = group(tests)
    if count == 1:
        results = itertools.chain.from_iterable(run_group(one, config) for one in groups)
    else:
        results = workers.run(lambda one: run_group(one, config), groups, count)
    for name, seconds, why in results:
        times[name] = seconds
        print(f'{"not ok" if why else "ok"} {len(times)} {name} # {seconds:.1f} s', flush=True)
        if why:
            failed.add(name)
            print(re.sub('(?m)^', '# ', why), flush=True)
    for name in {full for _, full, _ in tests} - set(times):
        failed.add(name)
        print(f'not ok {len(times) + len(failed)} {name}\n# its process has ended', flush=True)
    return times, failed


def say_times(times):
    """The slowest tests. What tests share is made in the time of the first one."""
    print(f'# {sum(times.values()):.0f} s of all tests together; the slowest:')
    for name, seconds in sorted(times.items(), key=lambda item: -item[1])[:SLOWEST]:
        print(f'# {seconds:7.1f} s  {name}', flush=True)


def main():
    parser = lab.Config.parser(__doc__)
    parser.add_argument('--list', action='store_true', help='only list the tests')
    parser.add_argument('--long', action='store_true', help='also the tests that take long')
    parser.add_argument('--jobs', type=int, default=workers.how_many(),
                        help='so many groups of tests at the same time (default: %(default)s)')
    parser.add_argument('--pictures', metavar='DIR',
                        help='leave the pictures there that the documentation has of test_web')
    parser.add_argument('pattern', nargs='*', help='regular expressions of names')
    args = parser.parse_args()
    if args.pictures:
        os.environ['SHADOW_PICTURES'] = os.path.abspath(args.pictures)
    tests = find_tests(args.pattern, args.long)
    if args.list:
        for _, full, _ in tests:
            print(full)
        return 0
    config = lab.Config.from_args(args)
    print(f'# this machine is {slower():.1f} times slower than the one that limits are for, '
          f'its load for each processor {busier():.1f}; {args.jobs} at a time', flush=True)
    times, failed = run_all(tests, config, args.jobs)
    say_times(times)
    print(f'{len(tests) - len(failed)} passed, {len(failed)} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
