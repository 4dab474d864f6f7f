#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "memory.h"
#include "slot.h"
#include "stem.h"
#include "version.h"

/* One device's process: the program itself, or one that was forked from it. */
static int run(struct slot *slot, struct err *e)
{
	int rc = serve("kiln-slot", true, slot_calls, slot_call_count, slot, e);

	if (rc == SERVE_LEAVE)
		rc = stem_run(e);
	return rc == STEM_BORN ? serve_on(slot_calls, slot_call_count, slot, e) : rc;
}

int main(int argc, char **argv)
{
	struct slot slot = { 0 };
	struct err e = { 0 };
	int rc;

	if (argc != 1) {
		(void)fprintf(stderr,
		    "%s %s: started by kiln, one for each device; takes no arguments\n", argv[0],
		    kiln_version()); /* there is nobody else to tell */
		return 2;
	}
	rc = memory_guard(&e) != 0 ? -1 : run(&slot, &e);
	if (rc != 0)
		(void)fprintf(stderr, "kiln-slot: %s\n", e.message);
	slot_free(&slot);
	/* Nothing of ours waits for exit handlers, and what they do is not allowed in the sandbox. */
	_exit(rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
