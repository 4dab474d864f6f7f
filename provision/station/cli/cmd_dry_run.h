/* What a dry run makes before it runs `kiln batch`: tokens, keys, a CA, devices, configuration. */
#ifndef KILN_CMD_DRY_RUN_H
#define KILN_CMD_DRY_RUN_H

#include "buf.h"
#include "peer.h"
#include "profile.h"

enum { DRY_RUN_FAULTS_MAX = 16 };

struct dry_run {
	/* asked for */
	long devices, slots, keygen_ms, seed;
	bool usb; /* the devices are on the kernel's virtual USB host controller */
	const char *profile_path;
	const char *folder; /* absolute, exists */
	const char *ca_fault, *twin_variant;
	const char *twin_faults[DRY_RUN_FAULTS_MAX];
	size_t twin_fault_count;

	/* made */
	struct profile *profile; /* as shipped: its anchors are replaced by the CA's */
	struct buf config;       /* path of station.yaml, as text */
	struct peer ca, twins;
};

/* Makes everything in d->folder and starts the CA and the devices. */
must_check int dry_run_make(struct dry_run *d, struct err *e);
/* Ends what was started. */
void dry_run_free(struct dry_run *d);
OWNED_STRUCT(dry_run, dry_run_free)

#endif
