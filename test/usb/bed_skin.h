/* The skin whose devices are seen by programs under umockdev's preload, and by nobody else. */
#ifndef KILN_BED_SKIN_H
#define KILN_BED_SKIN_H

#include "skin.h"

/*
 * Its folder has, beside what kiln-twin makes:
 *   umockdev    a link to the root of the mocked machine: UMOCKDEV_DIR of those programs
 *   usb.log     lines "plug SLOT NODE", "unplug SLOT", and what a host should not do: "reset SLOT",
 *               "set-configuration SLOT", "set-interface SLOT"
 */
extern const struct skin_ops bed_skin;

#endif
