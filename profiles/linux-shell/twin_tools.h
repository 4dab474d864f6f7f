/* The programs of an emulated device: the system's own behind scripts that know its flaws. */
#ifndef KILN_SHELL_TWIN_TOOLS_H
#define KILN_SHELL_TWIN_TOOLS_H

#include "buf.h"
#include "twin_plan.h"

enum shell_tool {
	SHELL_TOOL_OPENSSL,
	SHELL_TOOL_CAT,
	SHELL_TOOL_MV,
	SHELL_TOOL_BASE64,
	SHELL_TOOL_SYNC,
	SHELL_TOOL_PKCS11,
	SHELL_TOOL_CERTTOOL,
	SHELL_TOOL_COUNT,
};

const char *shell_tool_name(enum shell_tool tool);

/* The script that runs in the tool's place. Appended to ret. */
must_check int shell_tool_write(enum shell_tool tool, const struct twin_config *config,
    const struct shell_plan *plan, struct buf *ret, struct err *e);

#endif
