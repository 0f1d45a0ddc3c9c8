/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cookie DOMID [HEX]: what is in the end of a domain's xenstore page, which
 * becomes HEX.  What root of the control domain can do by hand.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xen/hvm/params.h>
#include <xenforeignmemory.h>

int main(int argc, char **argv)
{
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);
    xenforeignmemory_handle *memory = xenforeignmemory_open(NULL, 0);
    uint64_t *page;
    uint64_t pfn;
    xen_pfn_t gfn;
    int err;

    if (argc < 2 || !xc || !memory ||
        xc_hvm_param_get(xc, atoi(argv[1]), HVM_PARAM_STORE_PFN, &pfn)) {
        perror("cookie");
        return 1;
    }
    gfn = pfn;
    page = xenforeignmemory_map(memory, atoi(argv[1]), PROT_READ | PROT_WRITE,
                                1, &gfn, &err);
    if (!page) {
        perror("cookie");
        return 1;
    }
    printf("%016lx\n", page[511]);
    if (argc > 2) {
        sscanf(argv[2], "%lx", &page[511]);
    }
    return 0;
}
