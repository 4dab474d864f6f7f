/*
 * The wire between a station's serial line and an emulated device's own terminal: as slow as its baud
 * rate, and as unreliable as the plan says.
 */
#ifndef KILN_SHELL_TWIN_BRIDGE_H
#define KILN_SHELL_TWIN_BRIDGE_H

#include "twin_plan.h"

/* line: the master of the pty that the station has open; device: the master of the shell's. Returns 0
 * when the device's side has ended, or resets. */
must_check int shell_bridge_run(const struct twin_config *config, const struct shell_plan *plan,
    int line, int device, struct err *e);

#endif
