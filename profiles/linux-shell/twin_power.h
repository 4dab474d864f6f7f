/*
 * The file system of an emulated device that loses its power. Each write of a tool is counted and logged in
 * flash.log; in the one that the plan names, what was not synced is torn, a name that was not synced may be the
 * old one again, and the device dies.
 */
#ifndef KILN_SHELL_TWIN_POWER_H
#define KILN_SHELL_TWIN_POWER_H

#include "buf.h"
#include "twin_plan.h"
#include "twin_tools.h"

/* The part of a tool's script that writes; nothing without that fault. Appended to ret. */
must_check int shell_power_write(enum shell_tool tool, const struct shell_plan *plan,
    struct buf *ret, struct err *e);

#endif
