/* A way to enrol, and what can be done where it gave no answer. The station has its rows by the class. */
#ifndef KILN_BACKEND_H
#define KILN_BACKEND_H

struct backend {
	const char *name;
	/*
	 * "post": the CA can not be asked what became of a request. It may have issued; the identical
	 * request may be sent again, and each certificate that nobody received is an orphan.
	 */
	const char *class;
};

#endif
