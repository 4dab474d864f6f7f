/*
 * Named places where a test may let a program die. FAILPOINT("records.commit") is nothing at all unless
 * the build has KILN_FAILPOINTS (the presets for development; never what is installed). Then three
 * environment variables, which children inherit, say what happens:
 *
 *   KILN_FAILPOINT_LOG=FILE     every hit appends the line "POINT PROGRAM PID COUNT", COUNT being this
 *                               process's hits so far
 *   KILN_FAILPOINT=PROGRAM:POINT:N:ACTION
 *                               at the N-th hit of POINT ("*": of any) in PROGRAM: "kill" this process;
 *                               kill its "parent", and go on; "exit" with 70; "sleep=MS"
 *   KILN_FAILPOINT_COUNT=FILE   the hits of the rule are counted in FILE, by all processes together:
 *                               a program that is started again does not start from 0
 *
 * A point changes nothing else, errno included, and may be hit by any thread. It works in kiln-slot's
 * sandbox, which allows no kill(2): trying it is death as well, and what a parent dies of was prepared
 * at the first hit, before the sandbox. A rule that can not be read aborts the program.
 */
#ifndef KILN_FAILPOINT_H
#define KILN_FAILPOINT_H

#ifdef KILN_FAILPOINTS
#define FAILPOINT(point)   failpoint_hit(point)
#define FAILPOINT_FORKED() failpoint_forked()
#else
#define FAILPOINT(point)   ((void)0)
#define FAILPOINT_FORKED() ((void)0)
#endif

void failpoint_hit(const char *point);
/* In a new process that fork(2) did not make: it counts from 0, and its parent is another. */
void failpoint_forked(void);

#endif
