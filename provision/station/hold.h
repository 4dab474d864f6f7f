/* Why nothing begins: in the whole station, or in one slot. A set of these. */
#ifndef KILN_HOLD_H
#define KILN_HOLD_H

enum hold {
	HOLD_STOP = 1,         /* a person has stopped the station */
	HOLD_LINE = 2,         /* a rule has stopped the line */
	HOLD_OPERATOR = 4,     /* nobody is signed on, and somebody has to be */
	HOLD_PAUSE = 8,        /* a person has paused it */
	HOLD_ACKNOWLEDGE = 16, /* what failed waits for a person to say that it was seen */
};

/* The first of the set that a person has to do something about, as events say it: "stop" "line" "operator"
 * "pause" "acknowledge"; "" of the empty set. */
const char *hold_name(unsigned held);
/* What such a name means and what to do, in a few words; of an unknown one that nothing may begin. */
const char *hold_text(const char *name);

#endif
