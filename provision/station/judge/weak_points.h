/*
 * The public keys of the smallest private keys, so that no key has to be compared with them one by one: that would
 * be a millisecond or more of every unit. Made by scripts/weak_points.c when kiln is built.
 */
#ifndef KILN_WEAK_POINTS_H
#define KILN_WEAK_POINTS_H

#include <stdint.h>

enum {
	WEAK_CURVES = 3,
	WEAK_MULTIPLES = 1024, /* private keys that a counter or a stuck generator gives */
};

extern const struct weak_points {
	const char *group; /* OpenSSL's name of the curve */
	uint32_t
	    tail[WEAK_MULTIPLES]; /* last four octets of the x of 1 G, 2 G, ..., little endian */
} weak_points[WEAK_CURVES];

#endif
