/* The root hubs of this machine: below one of them every place begins. */
#ifndef KILN_USB_ROOT_H
#define KILN_USB_ROOT_H

#include "usb_tree.h"

/* The machine has the root hub that the place begins with; place NULL: it has one at all. root as in
 * usb_tree_read. */
must_check bool usb_root_is_there(const char *root, const char *place);

#endif
