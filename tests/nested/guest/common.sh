# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What the first processes of the cloud VM and of the emulated host share. Sourced.
export PATH=/bin:/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mount -t tracefs tracefs /sys/kernel/tracing

load_modules() { # OPTIONS of kvm_amd
    while read -r module; do
        case $module in
        kvm_amd) options=$1 ;;
        *) options= ;;
        esac
        # shellcheck disable=SC2086 # none is no argument
        insmod "/modules/$module.ko" $options || echo "init: no module $module"
    done < /modules/load
}

start_network() { # SUBNET
    ip link set lo up
    ip address add "$1.15/24" dev eth0
    ip link set eth0 up
    ip route add default via "$1.2"
}

# For the tests' commands, on ttyS1 (ttyS0 has the kernel's log).
root_shell() {
    # Kept open: opening the port anew would drop what has already arrived.
    exec 3<> /dev/ttyS1
    stty -F /dev/ttyS1 raw -echo 115200
    echo "init: ready" >&3
    while :; do
        # As a script: a shell whose input is a terminal would prompt and edit.
        sh /dev/ttyS1 >&3 2>&1 </dev/null
    done
}
