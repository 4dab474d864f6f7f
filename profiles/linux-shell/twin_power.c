#include "twin_power.h"

/* Bodies in brackets run apart, with the system's own tools. The environment has the twin's process. */
static const char helpers[] =
    "flash() (\n" /* counts a write; true where the power goes in it */
    "	PATH=${PATH#*:}; cd; touch flash.log; n=$(($(wc -l <flash.log) + 1))\n"
    "	if [ $n -eq $N ]; then echo \"$n $*, torn\" >>flash.log; exit 0; fi\n"
    "	echo \"$n $*\" >>flash.log; exit 1\n"
    ")\n"
    "tear() (\n" /* the front of a file is there; what follows is missing, zeros or anything */
    "	PATH=${PATH#*:}; size=$(wc -c <\"$1\"); some=$((SEED % (size + 1)))\n"
    "	head -c $some \"$1\" >\"$HOME/flash.part\"\n"
    "	case $((SEED / 7 % 3)) in\n"
    "	1) head -c $((size - some)) /dev/zero;;\n"
    "	2) head -c $((size - some)) /dev/urandom;;\n"
    "	esac >>\"$HOME/flash.part\"\n"
    "	cat \"$HOME/flash.part\" >\"$1\"\n"
    ")\n"
    "keep() (\n" /* what a name meant that is about to mean something else */
    "	PATH=${PATH#*:}; rm -f \"$HOME/flash.was\"; [ ! -e \"$2\" ] || cp \"$2\" "
    "\"$HOME/flash.was\"\n"
    "	printf '%s\\n' \"$1\" \"$PWD/$2\" >\"$HOME/flash.moved\"\n"
    ")\n"
    "settle() { PATH=${PATH#*:} rm -f \"$HOME/flash.moved\" \"$HOME/flash.was\"; }\n"
    "cut() (\n"
    "	PATH=${PATH#*:}\n"
    "	if [ -e \"$HOME/flash.moved\" ] && [ $((SEED / 21 % 2)) -eq 0 ]; then\n"
    "		{ read -r from; read -r to; } <\"$HOME/flash.moved\"\n"
    "		mv -f \"$to\" \"${to%/*}/${from##*/}\"\n"
    "		[ ! -e \"$HOME/flash.was\" ] || mv -f \"$HOME/flash.was\" \"$to\"\n"
    "	fi\n"
    "	rm -f \"$HOME/flash.moved\" \"$HOME/flash.was\"\n"
    "	kill -KILL $KILN_TWIN_PID; kill -KILL 0\n"
    ")\n";

static const char output[] = "if [ -n \"$out\" ]; then\n"
			     "	real \"$@\" || exit\n"
			     "	flash \"$0 $*\" && { tear \"$out\"; cut; }\n"
			     "	exit 0\n"
			     "fi\n";

static const char decode[] = "if [ \"$1\" = -d ] && flash \"$0 $*\"; then\n"
			     "	real -d >\"$HOME/flash.out\"\n"
			     "	tear \"$HOME/flash.out\"\n"
			     "	PATH=${PATH#*:} command cat \"$HOME/flash.out\"\n"
			     "	cut\n"
			     "fi\n";

static const char move[] = "flash \"$0 $*\" && cut\n"
			   "for from; do case $from in -*) ;; *) break;; esac; done\n"
			   "keep \"$from\" \"$last\"\n";

static const char sync[] = "if flash \"$0 $*\"; then\n"
			   "	[ $# -ne 1 ] || [ ! -f \"$1\" ] || tear \"$1\"\n"
			   "	cut\n"
			   "fi\n"
			   "[ ! -d \"$last\" ] || settle\n";

static const char *const scripts[SHELL_TOOL_COUNT] = {
	[SHELL_TOOL_OPENSSL] = output,
	[SHELL_TOOL_PKCS11] = output,
	[SHELL_TOOL_CERTTOOL] = output,
	[SHELL_TOOL_BASE64] = decode,
	[SHELL_TOOL_MV] = move,
	[SHELL_TOOL_SYNC] = sync,
};

int shell_power_write(enum shell_tool tool, const struct shell_plan *plan, struct buf *ret,
    struct err *e)
{
	if (plan->fault != SHELL_FAULT_POWER_CUT || scripts[tool] == NULL)
		return 0;
	if (buf_printf(ret, e, "N=%d SEED=%u\n", plan->cut, plan->random) != 0 ||
	    buf_add_str(ret, helpers, e) != 0)
		return -1;
	return buf_add_str(ret, scripts[tool], e);
}
